// Chat: talk to the model, and see which part of each prompt was read before.

import { ApiError, events, post, postJson, request } from "../api";
import { announce, h, setText } from "../dom";
import { count } from "../format";
import type { Page } from "../page";
import { foundTokens, receiptView, type Receipt } from "../receipt";

interface Message {
  role: "system" | "user" | "assistant";
  content: string;
}

/** A message of the conversation and where it is shown. */
interface Shown {
  message: Message;
  text: HTMLElement;
  below: HTMLElement;
}

interface Chunk {
  choices?: { delta?: { content?: string; reasoning_content?: string } }[];
  usage?: { completion_tokens: number };
  quire?: Receipt;
  error?: { message: string };
}

interface Rendered {
  tokens: number[];
  pieces: string[];
}

const NAMES = { system: "System", user: "You", assistant: "Model" };

/** What was said outlives a look at another page, not the tab's reload. */
let conversation: Shown[] = [];

/** Another key, another reader. */
export function forgetChat(): void {
  conversation = [];
}

class Chat {
  readonly element: HTMLElement;
  private readonly list = h("ol", { class: "messages", "aria-label": "Conversation" });
  private readonly input = h("textarea", { id: "chat-input", rows: "3", required: true, placeholder: "Ask something" });
  private readonly send = h("button", { type: "submit" }, "Send");
  private readonly stop = h("button", { type: "button", disabled: true }, "Stop");
  private readonly problem = h("p", { class: "problem", role: "alert" });
  private readonly system = h("textarea", { id: "chat-system", rows: "2" });
  private readonly temperature = number("chat-temperature", "0.7", { min: "0", max: "2", step: "0.1" });
  private readonly most = number("chat-most", "256", { min: "1", max: "100000", step: "1" });
  private readonly seed = number("chat-seed", "", { min: "0", step: "1" });
  private readonly asRead = h("pre", { class: "as-read", tabindex: "0", "aria-label": "The prompt as the model reads it" });
  private readonly asReadOf = h("details", { class: "panel" }, h("summary", {}, "The last prompt, as the model read it"), this.asRead);
  private abort: AbortController | undefined;

  constructor() {
    const form = h("form", { class: "composer" },
      h("label", { for: "chat-input", class: "unseen" }, "Your message"), this.input,
      h("div", { class: "buttons" }, this.send, this.stop,
        h("button", { type: "button", onclick: () => this.clear() }, "New conversation")),
      this.problem);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.ask();
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    });
    this.stop.addEventListener("click", () => this.abort?.abort());
    this.asReadOf.hidden = true;
    const field = (label: string, input: HTMLElement) =>
      h("div", { class: "field" }, h("label", { for: input.id }, label), input);
    this.element = h("div", { class: "chat" },
      h("div", { class: "stack" },
        h("p", { class: "about" }, "After an answer, the text of its prompt is marked: ",
          h("mark", { class: "found" }, "found"), " in memory or on disk, or ",
          h("mark", { class: "computed" }, "computed"), " for this answer. The second message finds what the first one left."),
        this.list, form, this.asReadOf),
      h("aside", { class: "panel settings", "aria-label": "Settings" }, h("h2", {}, "Settings"),
        field("System message", this.system), field("Temperature", this.temperature),
        field("Most tokens of an answer", this.most), field("Seed (empty: a new one)", this.seed)));
    for (const { message, text, below } of conversation) this.put(message, text, below);
  }

  leave(): void {
    this.abort?.abort();
  }

  private clear(): void {
    this.abort?.abort();
    conversation = [];
    this.list.replaceChildren();
    this.asReadOf.hidden = true;
    setText(this.problem, "");
    this.input.focus();
  }

  private put(message: Message, text: HTMLElement, below: HTMLElement): void {
    this.list.append(h("li", { class: `message ${message.role}` },
      h("h2", {}, NAMES[message.role]), text, below));
  }

  private add(message: Message): Shown {
    const shown = { message, text: h("div", { class: "text" }, message.content), below: h("div") };
    conversation.push(shown);
    this.put(message, shown.text, shown.below);
    return shown;
  }

  private async ask(): Promise<void> {
    const content = this.input.value.trim();
    if (content === "" || this.abort) return;
    this.input.value = "";
    setText(this.problem, "");
    const system = this.system.value.trim();
    const first = conversation[0]?.message;
    if (first?.role === "system") first.content = system || first.content;
    else if (system !== "" && conversation.length === 0) this.add({ role: "system", content: system });
    this.add({ role: "user", content });
    const messages = conversation.map(({ message }) => ({ ...message }));
    const answer = this.add({ role: "assistant", content: "" });
    const abort = new AbortController();
    this.abort = abort;
    this.send.disabled = true;
    this.stop.disabled = false;
    try {
      await this.receive(messages, answer, abort.signal);
    } catch (error) {
      if (!abort.signal.aborted) {
        setText(this.problem, error instanceof ApiError ? error.message : String(error));
      }
      if (answer.message.content === "") this.dropLastTurn(content);
    } finally {
      this.abort = undefined;
      this.send.disabled = false;
      this.stop.disabled = true;
    }
  }

  /** An answer that never began is no part of the conversation: the question goes back. */
  private dropLastTurn(question: string): void {
    conversation.splice(-2);
    this.list.lastElementChild?.remove();
    this.list.lastElementChild?.remove();
    if (this.input.value === "") this.input.value = question;
  }

  private async receive(messages: Message[], answer: Shown, signal: AbortSignal): Promise<void> {
    const body: Record<string, unknown> = {
      messages,
      stream: true,
      stream_options: { include_usage: true },
      temperature: Number(this.temperature.value),
      max_tokens: Number(this.most.value),
    };
    if (this.seed.value !== "") body["seed"] = Number(this.seed.value);
    const response = await request("v1/chat/completions", post(body, signal));
    let generated = 0;
    let receipt: Receipt | undefined;
    for await (const data of events(response)) {
      if (data === "[DONE]") break;
      const chunk = JSON.parse(data) as Chunk;
      if (chunk.error) throw new ApiError(0, chunk.error.message, "");
      const delta = chunk.choices?.[0]?.delta;
      const text = (delta?.reasoning_content ?? "") + (delta?.content ?? "");
      if (text !== "") {
        answer.message.content += text;
        answer.text.append(text);
        this.follow();
      }
      if (chunk.usage) generated = chunk.usage.completion_tokens;
      if (chunk.quire) receipt = chunk.quire;
    }
    if (!receipt) return;
    announce(`Answer of ${count(generated)} tokens`);
    answer.below.replaceChildren(receiptView(receipt, generated));
    await this.mark(messages, receipt, signal);
    this.follow();
  }

  /** Keeps the end in sight for those who have not scrolled up to read. */
  private follow(): void {
    const root = document.documentElement;
    if (root.scrollHeight - root.scrollTop - root.clientHeight < 240) root.scrollTop = root.scrollHeight;
  }

  private async mark(messages: Message[], receipt: Receipt, signal: AbortSignal): Promise<void> {
    const { pieces, tokens } = await postJson<Rendered>("render", { messages }, signal);
    const found = foundTokens(receipt);
    const text = pieces.join("");
    const border = pieces.slice(0, found).join("").length;
    let at = 0;
    messages.forEach((message, i) => {
      const shown = conversation[i];
      const content = message.content.trim();
      const begin = text.indexOf(content, at);
      if (!shown || content === "" || begin < 0) return;
      at = begin + content.length;
      const cut = Math.min(Math.max(border - begin, 0), content.length);
      shown.text.replaceChildren(...marked(content.slice(0, cut), content.slice(cut)));
    });
    this.showAsRead(pieces, tokens, found);
  }

  private showAsRead(pieces: string[], tokens: number[], found: number): void {
    const spans = pieces.map((piece, i) =>
      h("span", { class: `token ${i < found ? "found" : "computed"}`, title: `token ${tokens[i]}, place ${i}` }, piece));
    this.asRead.replaceChildren(...spans);
    this.asReadOf.hidden = false;
  }
}

function marked(found: string, computed: string): Node[] {
  const parts: Node[] = [];
  if (found !== "") parts.push(h("mark", { class: "found", title: "found" }, found));
  if (computed !== "") parts.push(h("mark", { class: "computed", title: "computed" }, computed));
  return parts;
}

function number(id: string, value: string, limits: Record<string, string>): HTMLInputElement {
  return h("input", { id, type: "number", value, ...limits });
}

export function chatPage(): Page {
  const page = new Chat();
  return { element: page.element, leave: () => page.leave() };
}
