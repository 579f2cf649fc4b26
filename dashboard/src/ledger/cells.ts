// The ledger as a table: its columns, and what a row says in each. Both sides of the worker use it.

import { bytes, count, date, milliseconds, percent } from "../format";
import type { Column } from "../virtual_list";
import type { LedgerRow } from "./row";

interface LedgerColumn extends Column {
  text: (row: LedgerRow) => string;
}

const fine = (outcome: string): boolean => /^(finished|length)(:|$)/.test(outcome);

const COLUMNS: LedgerColumn[] = (
  [
    { title: "Began", width: "8.1rem", text: ({ started_ms }) => date(started_ms) },
    { title: "Tenant", width: "minmax(5rem, 6rem)", long: true, text: ({ tenant }) => tenant },
    { title: "API", width: "8.2rem", long: true, text: ({ api }) => api },
    { title: "Route", width: "minmax(6.5rem, 1fr)", long: true,
      text: ({ route, version }) => [route, version].filter(Boolean).join(" @ ") },
    { title: "Outcome", width: "minmax(9rem, 1.2fr)", long: true,
      text: ({ outcome, verdict }) => [outcome, verdict].filter(Boolean).join(": "),
      kind: (text) => `outcome ${fine(text) ? "fine" : "not-fine"}` },
    { title: "Prompt", width: "4rem", number: true, text: ({ tokens }) => count(tokens.prompt) },
    { title: "Found", width: "4rem", number: true,
      text: ({ tokens: { ram, disk, remote, prompt } }) => percent(ram + disk + remote, prompt) },
    { title: "Generated", width: "4.5rem", number: true, text: ({ tokens }) => count(tokens.generated) },
    { title: "Waited", width: "4.6rem", number: true, text: ({ ms }) => milliseconds(ms.queue) },
    { title: "First token", width: "5rem", number: true, text: ({ ms }) => milliseconds(ms.first_token) },
    { title: "Total", width: "4.6rem", number: true, text: ({ ms }) => milliseconds(ms.total) },
    { title: "KV × time", width: "5.5rem", number: true, text: ({ kv }) => `${bytes(kv.byte_seconds)}·s` },
  ] satisfies Omit<LedgerColumn, "at">[]
).map((column, at) => ({ ...column, at }));

/** `admin`: whose rows are of many tenants. */
export const columnsOf = (admin: boolean): Column[] => COLUMNS.filter(({ title }) => admin || title !== "Tenant");

const BETWEEN_CELLS = "\u001f";
const BETWEEN_ROWS = "\u001e";

/** Rows as one text: it is handed over and kept at a small part of what as many objects cost. */
export function packRows(rows: LedgerRow[]): string {
  const wordsOf = (row: LedgerRow) => COLUMNS.map(({ text }) => text(row).replace(/[\u0000-\u001f]/g, " "));
  return rows.map((row) => wordsOf(row).join(BETWEEN_CELLS)).join(BETWEEN_ROWS);
}

export const unpackRows = (packed: string): string[] => (packed === "" ? [] : packed.split(BETWEEN_ROWS));
export const cellsOf = (row: string): string[] => row.split(BETWEEN_CELLS);
