// Sessions of a lesson: wherever they went, they are gone when it ends.

import { ApiError, getJson, request } from "../api";

/** After its last use: a session whose page was closed before it could delete it ends by itself. */
export const TTL_SECONDS = 600;

const PATIENCE_MS = 100_000; // longer than a hand-off takes
const PAUSE_MS = 250;
const TRIES_UNREACHED = 4;

interface Place {
  at: string; // "": this server
  id: string;
}

export class Leftovers {
  private places: Place[] = [];

  /** In the order in which they are to be deleted: a hand-off ends before its owner lets go of the session. */
  add(at: string, id: string): void {
    this.places.push({ at, id });
  }

  forget(at: string): void {
    this.places = this.places.filter((place) => place.at !== at);
  }

  get any(): boolean {
    return this.places.length > 0;
  }

  /** Deletes all of them, and sees that they are gone. What is left is told, in a sentence each. */
  async clear(): Promise<string[]> {
    const left: string[] = [];
    for (const place of this.places) {
      try {
        await remove(place);
        await expectGone(place);
      } catch (error) {
        left.push(tell(place, error instanceof Error ? error.message : String(error)));
      }
    }
    this.places = [];
    return left;
  }
}

async function remove({ at, id }: Place): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  for (let unreached = 0; ;) {
    try {
      await request(`${at}v1/sessions/${encodeURIComponent(id)}`, { method: "DELETE", keepalive: true });
      return;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 404) return;
      // Busy with what was just stopped, or not yet settled whose it is.
      const wait = error.status === 409 || error.status === 503 || (error.status === 0 && ++unreached < TRIES_UNREACHED);
      if (!wait || performance.now() > until) throw error;
      await new Promise((done) => setTimeout(done, PAUSE_MS));
    }
  }
}

async function expectGone({ at, id }: Place): Promise<void> {
  const { data } = await getJson<{ data: { id: string }[] }>(`${at}v1/sessions?search=${encodeURIComponent(id)}`);
  if (data.some((session) => session.id === id)) throw new ApiError(0, "it is still listed", "left");
}

const tell = ({ at, id }: Place, why: string): string =>
  `The session ${id} of this lesson could not be deleted at ${at === "" ? "this server" : at.replace(/\/$/, "")}: ${why}. If it is there, ` +
  `it ends by itself ${TTL_SECONDS / 60} minutes after its last use; DELETE ${at === "" ? "/" : at}v1/sessions/${id} ends it at once.`;
