// Has pages of the ledger fetched and read by a worker, so that the page does nothing but take in what they say.

import { ApiError, noted, storedKey } from "../api";

/** A page of the ledger as the list wants it. */
export interface PackedPage {
  ids: number[]; // newest first
  packed: string; // of packRows
  next: number | null;
  lost: number;
}

/** What the worker is asked, and answers. It has no address and no key of its own. */
export interface Job {
  number: number;
  url: string;
  key: string;
}

export type Answer =
  | { number: number; page: PackedPage }
  | { number: number; failure: { status: number; message: string; code: string } };

interface Waiting {
  resolve: (page: PackedPage) => void;
  reject: (error: Error) => void;
}

export class LedgerReader {
  private readonly worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  private readonly waiting = new Map<number, Waiting>();
  private jobs = 0;

  constructor() {
    this.worker.addEventListener("message", ({ data }: MessageEvent<Answer>) => this.take(data));
    this.worker.addEventListener("error", () => {
      for (const { reject } of this.waiting.values()) reject(new Error("the part of this page that reads the ledger failed: reload it"));
      this.waiting.clear();
    });
  }

  /** Throws as `request` does. What is under way when the reader stops is never answered. */
  read(path: string): Promise<PackedPage> {
    const number = ++this.jobs;
    const url = new URL(path, document.baseURI).href;
    return new Promise((resolve, reject) => {
      this.waiting.set(number, { resolve, reject });
      this.worker.postMessage({ number, url, key: storedKey() } satisfies Job);
    });
  }

  stop(): void {
    this.worker.terminate();
    this.waiting.clear();
  }

  private take(answer: Answer): void {
    const waiting = this.waiting.get(answer.number);
    this.waiting.delete(answer.number);
    if ("page" in answer) return waiting?.resolve(answer.page);
    const { status, message, code } = answer.failure;
    waiting?.reject(noted(new ApiError(status, message, code)));
  }
}
