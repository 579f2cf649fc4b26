// How to start two servers that hand sessions to each other, as this page would have to find them.

import { getJson } from "../api";
import { h, setText } from "../dom";

/** The address of this page if it is one a server may have by itself, and one beside it. */
function addresses(): [URL, URL] {
  const own = new URL(location.protocol === "http:" ? location.origin : "http://127.0.0.1:8080");
  const other = new URL(own);
  other.port = String(Number(own.port || "80") + 1);
  return [own, other];
}

function commands(model: string): string {
  const [a, b] = addresses();
  const serve = (name: string, url: URL, peer: string, peerUrl: URL) => `quire serve ${model} --port ${url.port || "80"} --peer-name ${name} ` +
    `--peer ${peer}=${peerUrl.origin} \\\n  --peer-secret-file peers.secret --master-key-file both.key --data data-${name}`;
  return ["for file in peers.secret both.key; do openssl rand -hex 32 > $file; chmod 600 $file; done",
    serve("a", a, "b", b), serve("b", b, "a", a)].join("\n");
}

export function twoServersHint(signal: AbortSignal): HTMLElement {
  const lines = h("code", {}, commands("MODEL.gguf"));
  void getJson<{ data: { id: string }[] }>("v1/models", signal).then(({ data }) => {
    const model = data[0]?.id;
    if (model !== undefined) setText(lines, commands(`${model}.gguf`));
  }, () => undefined);
  return h("details", { class: "two-servers" }, h("summary", {}, "To see it between two real servers"),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Commands" }, h("pre", {}, lines)),
    h("p", { class: "hint" }, "The first line draws what the two share: the secret by which they know each other, and the master key without " +
      "which KV of one is noise to the other. The other two, each in a terminal of its own, start this server anew and a second one beside it; give the path of the model, " +
      "and both of them whatever further flags this one has. Then this lesson finds the second server by itself."));
}
