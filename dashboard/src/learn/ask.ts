// Asks the server as any client does, and keeps the receipt.

import { events, post, postJson, request } from "../api";
import type { Receipt } from "../receipt";

export interface Answer {
  text: string;
  promptTokens: number;
  generatedTokens: number;
  receipt: Receipt;
  wallMs: number; // from sending to the last byte, as this page saw it
  firstMs: number; // to the first piece of text that was seen; of an answer in one piece as the server says
}

export interface Question {
  prompt: string | number[];
  salt?: string; // none: with all that the caller has left in memory
  maxTokens: number;
  at?: string; // a peer, as "http://host:port/"; none: this server
}

interface Completion {
  choices: { text: string }[];
  usage: { prompt_tokens: number; completion_tokens: number };
  quire: Receipt;
}

interface Chunk {
  choices?: { text?: string }[];
  usage?: { prompt_tokens: number; completion_tokens: number } | null;
  quire?: Receipt;
  error?: { message: string };
}

const bodyOf = ({ prompt, salt, maxTokens }: Question): Record<string, unknown> =>
  ({ prompt, max_tokens: maxTokens, temperature: 0, ...(salt === undefined ? {} : { cache_salt: salt }) });

export async function ask(question: Question, signal: AbortSignal): Promise<Answer> {
  const began = performance.now();
  const answer = await postJson<Completion>(`${question.at ?? ""}v1/completions`, bodyOf(question), signal);
  return {
    text: answer.choices[0]?.text ?? "",
    promptTokens: answer.usage.prompt_tokens,
    generatedTokens: answer.usage.completion_tokens,
    receipt: answer.quire,
    firstMs: answer.quire.ttft_ms,
    wallMs: performance.now() - began,
  };
}

/** As `ask`, and tells each piece of text as it comes, with the milliseconds since it was asked. */
export async function askAloud(question: Question, onPiece: (text: string, ms: number) => void,
                               signal: AbortSignal): Promise<Answer> {
  const began = performance.now();
  const body = { ...bodyOf(question), stream: true, stream_options: { include_usage: true } };
  const response = await request(`${question.at ?? ""}v1/completions`, post(body, signal));
  const answer: Partial<Answer> & { text: string } = { text: "" };
  for await (const data of events(response)) {
    if (data === "[DONE]") break;
    const chunk = JSON.parse(data) as Chunk;
    if (chunk.error) throw new Error(chunk.error.message);
    const text = chunk.choices?.[0]?.text ?? "";
    if (text !== "") {
      answer.firstMs ??= performance.now() - began;
      answer.text += text;
      onPiece(text, performance.now() - began);
    }
    if (chunk.usage) {
      answer.promptTokens = chunk.usage.prompt_tokens;
      answer.generatedTokens = chunk.usage.completion_tokens;
    }
    if (chunk.quire) answer.receipt = chunk.quire;
  }
  if (!answer.receipt) throw new Error("the answer ended before its receipt came");
  const wallMs = performance.now() - began;
  return { promptTokens: 0, generatedTokens: 0, firstMs: wallMs, ...answer, receipt: answer.receipt, wallMs };
}

/** `whole`: as a text by itself, with what the model wants before it; else as what goes on. */
export async function tokensOf(content: string, whole: boolean, signal: AbortSignal, at = ""): Promise<number[]> {
  const body = { content, add_special: whole, parse_special: false };
  const { tokens } = await postJson<{ tokens: number[] }>(`${at}tokenize`, body, signal);
  return tokens;
}

export async function textOf(tokens: number[], signal: AbortSignal): Promise<string> {
  const { content } = await postJson<{ content: string }>("detokenize", { tokens }, signal);
  return content;
}
