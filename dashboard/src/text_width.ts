// How wide texts are, without asking the layout.

const MOST_KEPT = 2000;

/** Texts in the font of an element, as it is when this is made. */
export class TextWidth {
  private readonly pen = document.createElement("canvas").getContext("2d");
  private readonly known = new Map<string, number>();

  constructor(like: Element) {
    const { fontWeight, fontSize, fontFamily } = getComputedStyle(like);
    if (this.pen) this.pen.font = `${fontWeight} ${fontSize} ${fontFamily}`;
  }

  /** In CSS pixels; more than all there is, if it cannot be known. */
  of(text: string): number {
    let width = this.known.get(text);
    if (width === undefined) {
      if (this.known.size >= MOST_KEPT) this.known.clear();
      width = this.pen?.measureText(text).width ?? Infinity;
      this.known.set(text, width);
    }
    return width;
  }
}
