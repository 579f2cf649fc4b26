// Learn: lessons in which this very server shows what a KV cache is.

import { h } from "../dom";
import { attentionLesson } from "../learn/attention";
import { blocksLesson } from "../learn/blocks";
import type { Lesson } from "../learn/lesson";
import { moveLesson } from "../learn/move";
import { raceLesson } from "../learn/race";
import { shapesLesson } from "../learn/shapes";
import type { Page } from "../page";

interface Entry {
  id: string;
  title: string;
  about: string;
  make: () => Lesson;
}

const LESSONS: Entry[] = [
  { id: "blocks", title: "What was read stays", about: "Blocks, hits, forks, evictions", make: blocksLesson },
  { id: "race", title: "With and without", about: "The same answer, raced", make: raceLesson },
  { id: "shapes", title: "What it weighs", about: "MHA, GQA, MQA, MLA, formats", make: shapesLesson },
  { id: "move", title: "A memory that moves", about: "Handed over, or starting over", make: moveLesson },
  { id: "attention", title: "Where it looks", about: "Attention, word by word", make: attentionLesson },
];

const addressOf = (id: string): string => `#/learn/${id}`;

export function learnPage(): Page {
  const wanted = location.hash.replace(/^#\/?/, "").split(/[?/]/)[1];
  const at = Math.max(0, LESSONS.findIndex(({ id }) => id === wanted));
  const entry = LESSONS[at] as Entry;
  const lesson = entry.make();
  const next = LESSONS[at + 1];
  const list = h("ol", { class: "lessons" }, ...LESSONS.map(({ id, title, about }, i) => h("li", {},
    h("a", { href: addressOf(id), "aria-current": id === entry.id && "step" },
      h("span", { class: "place", "aria-hidden": "true" }, i + 1), h("span", {}, h("b", {}, title), h("span", { class: "remark" },
        about))))));
  return {
    element: h("div", { class: "stack learn" },
      h("p", { class: "about" }, "Nothing here is a recording: the lessons ask this server, and show what it answered."),
      h("nav", { "aria-label": "Lessons" }, list), lesson.element,
      next && h("p", { class: "next" }, h("a", { href: addressOf(next.id) }, `Next: ${next.title}`))),
    leave: () => lesson.leave(),
  };
}
