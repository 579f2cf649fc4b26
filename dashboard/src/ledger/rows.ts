// The rows of the ledger that are at hand, newest first: no more than so many, the others are asked for anew.

import { cellsOf, unpackRows } from "./cells";
import type { PackedPage } from "./reader";

export class LedgerRows {
  next: number | null = null; // what is asked for below the last; null: nothing is there
  private ids: number[] = [];
  private texts: string[] = [];

  constructor(private readonly most: number) {}

  get length(): number {
    return this.ids.length;
  }

  get full(): boolean {
    return this.ids.length >= this.most;
  }

  get newest(): number {
    return this.ids[0] ?? 0;
  }

  key(index: number): number {
    return this.ids[index] ?? -1;
  }

  cells(index: number): string[] {
    return cellsOf(this.texts[index] ?? "");
  }

  replace(page: PackedPage): void {
    this.ids = [];
    this.texts = [];
    this.append(page);
  }

  append({ ids, packed, next }: PackedPage): void {
    this.ids.push(...ids);
    this.texts.push(...unpackRows(packed));
    this.next = next;
    this.cut();
  }

  /** Puts those that are newer than all before them; how many they were. */
  prepend({ ids, packed }: PackedPage): number {
    const fresh = ids.filter((id) => id > this.newest).length;
    this.ids.unshift(...ids.slice(0, fresh));
    this.texts.unshift(...unpackRows(packed).slice(0, fresh));
    this.cut();
    return fresh;
  }

  private cut(): void {
    if (this.ids.length <= this.most) return;
    this.ids.length = this.most;
    this.texts.length = this.most;
    this.next = this.ids[this.most - 1] ?? null;
  }
}
