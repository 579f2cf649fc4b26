// The peers of this server, and whether this page may ask them as well.

import { ApiError, getJson, request } from "../api";

export interface Peer {
  name: string;
  url: string;
  answers: boolean; // this server; whether it answers this browser is seen by asking it
  problem: string | null;
}

export async function peersOf(signal: AbortSignal): Promise<Peer[]> {
  return (await getJson<{ data: Peer[] }>("v1/peers", signal)).data;
}

/** What goes before a path, to ask it. */
export const at = (peer: Peer): string => `${peer.url}/`;

/** Throws, saying what is wrong and what to do, unless this page may ask the peer with the key it has. */
export async function greet(peer: Peer, signal: AbortSignal): Promise<void> {
  const stop = (message: string) => new ApiError(0, `${message} Nothing was begun.`, "peer");
  if (!peer.answers) {
    throw stop(`${peer.name} does not answer this server: ${peer.problem ?? "it says nothing"}. Does it run, with the same secret ` +
      "(--peer-secret-file), and does it name this server by --peer?");
  }
  try {
    await request(`${at(peer)}version`, { signal });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401) throw stop(keyRefused(peer));
    if (error.status > 0) throw stop(`${peer.name} at ${peer.url} refuses this page: ${error.message}.`);
    throw stop(await answersSomebody(peer, signal) ? notLetIn(peer) : notReached(peer));
  }
}

/** Whether anything is there for this browser, though it may not say what. */
async function answersSomebody(peer: Peer, signal: AbortSignal): Promise<boolean> {
  try {
    await fetch(`${at(peer)}health`, { mode: "no-cors", cache: "no-store", signal });
    return true;
  } catch {
    signal.throwIfAborted();
    return false;
  }
}

const keyRefused = (peer: Peer): string =>
  `${peer.name} at ${peer.url} does not know the key of this page. A session stays with its tenant, so both servers need that tenant ` +
  "with the same key: copy its entry in the tenants file.";

const notLetIn = (peer: Peer): string =>
  `${peer.name} at ${peer.url} is there, but does not let this page in: it lets in pages of the address that its own --peer gives for ` +
  `this server, and this page is of ${location.origin}. Open this page at that address, or start ${peer.name} with ` +
  `--cors-origin ${location.origin}.`;

function notReached(peer: Peer): string {
  const start = `This browser does not reach ${peer.name} at ${peer.url}, though this server does. `;
  if (location.protocol === "https:" && peer.url.startsWith("http:")) {
    return `${start}A page that came by https may ask nothing by http: give an https address in --peer.`;
  }
  if (peer.url.includes("[")) return `${start}The policy of a page cannot name an address in brackets: give a name in --peer.`;
  return `${start}Name it in --peer by an address that means the same on both machines.`;
}
