// Both ways to take a session along: by a file, with this server at both ends, and by a real hand-off to a peer.

import { ApiError, getJson, post, postJson, request } from "../api";
import { bytes, count, milliseconds, plural } from "../format";
import { foundTokens, type Receipt } from "../receipt";
import { askAloud, tokensOf, type Answer } from "./ask";
import type { Doings } from "./doings";
import { TTL_SECONDS, type Leftovers } from "./leftovers";
import { freshSalt } from "./lesson";
import { foundAndComputed, type Moved } from "./move_result";
import { at, greet, type Peer } from "./peers";

const QUESTION = "\n\nQuestion: what should be changed before winter?\nAnswer:";
const ANSWER_TOKENS = 16;

/** What a move is done with. */
export interface Moving {
  text: string; // that the agent has read
  doings: Doings;
  leftovers: Leftovers;
  signal: AbortSignal;
}

interface Imported {
  kv: { blocks: number; held: number; taken: number; refused: string | null };
}

interface HandedOver {
  moved_to: string;
  tokens: number;
  kv: { blocks: number; held: number; sent: number; bytes: number; recomputed: string | null };
}

const pathOf = (id: string, action = ""): string => `v1/sessions/${encodeURIComponent(id)}${action}`;

/** A session that has read all of it, at this server. */
async function readNotes({ text, doings, leftovers, signal }: Moving): Promise<string> {
  const id = freshSalt();
  leftovers.add("", id);
  // Not to be stopped: whether it is there must be known before it is deleted.
  await postJson<unknown>("v1/sessions", { id, seed: 1, ttl_seconds: TTL_SECONDS });
  await doings.run("The agent reads its notes, at this server", async () => {
    await request(pathOf(id, "/append"), post({ text }, signal));
    return postJson<{ quire: Receipt }>(pathOf(id, "/generate"), { max_tokens: 1, temperature: 0 }, signal);
  }, ({ quire }) => `, ${plural(quire.computed_tokens + foundTokens(quire), "token")}`);
  return id;
}

/** The last question after what the session says by now, asked with what came along and without. */
async function askTwice(id: string, place: string, where: string, { doings, signal }: Moving):
  Promise<{ asked: Answer; over: Answer; tokens: number }> {
  const { token_ids: ids } = await getJson<{ token_ids: number[] }>(`${place}${pathOf(id, "?tokens=true")}`, signal);
  const prompt = [...ids, ...await tokensOf(QUESTION, false, signal, place)];
  const ask = (salt?: string) => askAloud({ prompt, maxTokens: ANSWER_TOKENS, at: place, ...(salt === undefined ? {} : { salt }) },
    () => undefined, signal);
  const { done: asked } = await doings.run(`It is asked ${where}`, () => ask(),
    (answer) => `, the first word after ${milliseconds(answer.firstMs)}; ${foundAndComputed(answer)}`);
  const { done: over } = await doings.run(`The same question ${where}, starting over`, () => ask(freshSalt()),
    ({ firstMs, receipt }) => `, the first word after ${milliseconds(firstMs)}; ${plural(receipt.computed_tokens, "token")} computed`);
  return { asked, over, tokens: ids.length };
}

export async function moveByFile(moving: Moving): Promise<Moved> {
  const { doings, leftovers, signal } = moving;
  const id = await readNotes(moving);
  const file = await doings.run("Its session is written to a file, with the KV", async () => {
    const response = await request(pathOf(id, "/export?kv=true"), { signal });
    return response.blob();
  }, (blob) => `, ${bytes(blob.size)}`);
  const other = `${id}-moved`;
  leftovers.add("", other);
  const imported = await doings.run("The second server takes the file in", async () => {
    const response = await request(`v1/sessions/import?id=${encodeURIComponent(other)}`,
      { method: "POST", body: file.done, headers: { "Content-Type": "application/octet-stream" } });
    return (await response.json()) as Imported;
  }, ({ kv }) => `, ${plural(kv.blocks, "block")}: ${count(kv.taken)} taken, ${count(kv.held)} were still here`);
  signal.throwIfAborted();
  const { tokens, ...answers } = await askTwice(other, "", "there", moving);
  const { kv } = imported.done;
  const here = kv.held > 0 ? `The blocks were still in this server’s memory, so ${count(kv.held)} of ${count(kv.blocks)} were ` +
    "compared and not copied in; another server copies them too. " : "";
  const why = kv.refused === null ? "" : `Not all were used: ${kv.refused}. `;
  return {
    ...answers,
    where: "",
    steps: [{ what: "writing the file", ms: file.ms, about: `${bytes(file.done.size)}, sealed` },
      { what: "taking it in", ms: imported.ms, about: "every block opened, and compared with the text" }],
    together: "file, way and answer",
    honest: `${here}${why}The file is ${bytes(file.done.size / tokens)} a token.`,
  };
}

export async function moveTo(peer: Peer, moving: Moving): Promise<Moved> {
  const { doings, leftovers, signal } = moving;
  const { name } = peer;
  await doings.run(`This page asks whether it may come to ${name}`, () => greet(peer, signal), () => `, at ${peer.url}`);
  const id = await readNotes(moving);
  leftovers.add(at(peer), id);
  const handed = await doings.run(`Its session is handed over to ${name}, with the KV`, async () => {
    try {
      return await postJson<HandedOver>(pathOf(id, "/handoff"), { to: name }, signal);
    } catch (error) {
      // Refused, it stays here; if it was stopped, only looking there tells.
      if (error instanceof ApiError && error.status > 0) leftovers.forget(at(peer));
      throw error;
    }
  }, ({ tokens, kv }) => `, ${plural(tokens, "token")} and ${plural(kv.sent, "block")}, ${bytes(kv.bytes)}`);
  await doings.run("This server is asked to write to it once more", () => expectRefusal(id, signal), (words) => `, refused: ${words}`);
  const answers = await askTwice(id, at(peer), `at ${name}`, moving);
  const { tokens, kv } = handed.done;
  const why = kv.recomputed === null ? "" : `Not all of the KV came: ${kv.recomputed}. `;
  const near = /^(localhost|127(\.\d+){3})$/.test(new URL(peer.url).hostname) ?
    "Both run on this machine here, so the line is as short as it gets, and while one works the other is idle. " : "";
  return {
    asked: answers.asked,
    over: answers.over,
    where: ` at ${name}`,
    steps: [{ what: "the hand-off", ms: handed.ms,
      about: `${plural(tokens, "token")}, ${count(kv.sent)} of ${plural(kv.blocks, "block")} sent, ${bytes(kv.bytes)}, sealed` }],
    together: "hand-off and answer",
    honest: `${why}${near}The KV that was sent is ${bytes(kv.bytes / Math.max(tokens, 1))} a token.`,
  };
}

/** What it says who no longer owns the session. */
async function expectRefusal(id: string, signal: AbortSignal): Promise<string> {
  try {
    await request(pathOf(id, "/append"), post({ text: " And then?" }, signal));
  } catch (error) {
    if (error instanceof ApiError && error.code === "moved") return `${error.status}, ${error.message}`;
    throw error;
  }
  throw new ApiError(0, "this server wrote to a session that it has handed over", "not_moved");
}
