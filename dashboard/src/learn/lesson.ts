// What a lesson is to the page around it, and what lessons share.

import { ApiError } from "../api";
import { h, setText, type Child } from "../dom";

export interface Lesson {
  element: HTMLElement;
  /** Called as another takes its place: ends what it began. */
  leave: () => void;
}

/** One thing at a time: what is under way can be stopped, and a failure is told. */
export class Work {
  readonly problem = h("p", { class: "problem", role: "alert" });
  private abort: AbortController | undefined;

  constructor(private readonly onBusy: (busy: boolean) => void) {}

  get busy(): boolean {
    return this.abort !== undefined;
  }

  /** Whether it was done to its end. */
  async run(work: (signal: AbortSignal) => Promise<void>): Promise<boolean> {
    if (this.abort) return false;
    const abort = new AbortController();
    this.abort = abort;
    setText(this.problem, "");
    this.onBusy(true);
    try {
      await work(abort.signal);
      return true;
    } catch (error) {
      if (!abort.signal.aborted) setText(this.problem, error instanceof ApiError ? error.message : String(error));
      return false;
    } finally {
      this.abort = undefined;
      this.onBusy(false);
    }
  }

  stop(): void {
    this.abort?.abort();
  }
}

/** A text nobody else uses: what is asked under it finds nothing that was read before. */
export function freshSalt(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return `learn-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

export function prose(...paragraphs: Child[][]): HTMLElement {
  return h("div", { class: "prose" }, ...paragraphs.map((children) => h("p", {}, ...children)));
}

export function field(label: string, input: HTMLElement, ...more: Child[]): HTMLElement {
  return h("div", { class: "field" }, h("label", { for: input.id }, label), input, ...more);
}

export const term = (text: string): HTMLElement => h("dfn", {}, text);
