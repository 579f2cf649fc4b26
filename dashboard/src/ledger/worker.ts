// Beside the page: fetches pages of the ledger, reads their JSON and words their rows, which would cost the page frames.

import { ApiError, request } from "../api";
import { packRows } from "./cells";
import type { Answer, Job } from "./reader";
import type { LedgerPage } from "./row";

async function read({ number, url, key }: Job): Promise<Answer> {
  try {
    const response = await request(url, {}, key);
    const { rows, next, lost } = (await response.json()) as LedgerPage;
    return { number, page: { ids: rows.map(({ id }) => id), packed: packRows(rows), next, lost } };
  } catch (error) {
    if (error instanceof ApiError) return { number, failure: { status: error.status, message: error.message, code: error.code } };
    return { number, failure: { status: 0, message: `the ledger cannot be read: ${String(error)}`, code: "unreadable" } };
  }
}

self.addEventListener("message", ({ data }: MessageEvent<Job>) => void read(data).then((answer) => self.postMessage(answer)));
