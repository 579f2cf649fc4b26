// What a page is to the frame around it.

export interface Page {
  element: HTMLElement;
  /** Called as another page takes its place: ends what it began. */
  leave: () => void;
}

export type MakePage = () => Page;
