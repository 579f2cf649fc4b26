// Requests to the server this page came from, with the key that its user typed in; in a lesson also to a peer of it.
//
// The key lives in sessionStorage: it is gone with the tab, and no other page can read it.

const KEY = "quire.key";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code: string,
  ) {
    super(message);
  }
}

let askForKey: () => void = () => {};

/** Called when the server refuses the key, or wants one. */
export function onUnauthorized(ask: () => void): void {
  askForKey = ask;
}

export const storedKey = (): string => sessionStorage.getItem(KEY) ?? "";
export function storeKey(key: string): void {
  if (key === "") sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, key);
}

async function errorOf(response: Response): Promise<ApiError> {
  let message = `the server answered ${response.status}`;
  let code = "";
  try {
    const body = (await response.json()) as { error?: { message?: string; code?: string } };
    message = body.error?.message ?? message;
    code = body.error?.code ?? "";
  } catch {
    // Not JSON: the status has to do.
  }
  return new ApiError(response.status, message, code);
}

/**
 * Throws ApiError for everything but 2xx. Paths are relative, so that a proxy may add a prefix; that of a peer is its whole
 * address. It gets the same key, and if it does not know it, that is no reason to ask for another.
 */
export async function request(path: string, init: RequestInit = {}, key = storedKey()): Promise<Response> {
  const peer = /^https?:\/\//.test(path) && new URL(path).origin !== location.origin;
  const headers = new Headers(init.headers);
  if (key !== "") headers.set("Authorization", `Bearer ${key}`);
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers, cache: "no-store" });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, `${peer ? new URL(path).origin : "the server"} cannot be reached`, "unreachable");
  }
  if (response.ok) return response;
  const failure = await errorOf(response);
  throw peer ? failure : noted(failure);
}

/** The same, when the user was asked for another key if that is what it wants. */
export function noted(failure: ApiError): ApiError {
  if (failure.status === 401) askForKey();
  return failure;
}

export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await request(path, signal ? { signal } : {});
  return (await response.json()) as T;
}

export async function postJson<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const response = await request(path, post(body, signal));
  return (await response.json()) as T;
}

export function post(body: unknown, signal?: AbortSignal): RequestInit {
  const init: RequestInit = {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  if (signal) init.signal = signal;
  return init;
}

/** The data of server-sent events. EventSource cannot carry a key, so they are read off a fetch. */
export async function* events(response: Response): AsyncGenerator<string> {
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      buffer += value;
      let end: number;
      while ((end = buffer.indexOf("\n\n")) >= 0) {
        const event = buffer.slice(0, end);
        buffer = buffer.slice(end + 2);
        const data = event
          .split("\n")
          .filter((line) => line.startsWith("data:"))
          .map((line) => line.slice(5).trimStart())
          .join("\n");
        if (data !== "") yield data;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
