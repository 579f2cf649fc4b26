// A line over time: uPlot, in our colours, with its last values as text beside it.

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { h, setText } from "./dom";
import type { Point } from "./live";
import { colour, onTheme } from "./theme";

export interface Line {
  label: string;
  colour: string; // a custom property
  value: (point: Point) => number;
  fill?: boolean;
}

export interface ChartOptions {
  title: string;
  lines: Line[];
  format: (value: number) => string;
  axis?: (value: number) => string; // shorter, at the side
  stacked?: boolean; // each line stands on those after it
  minTop?: number; // the scale goes up to this at least
  whole?: boolean; // there are no halves of it
  binary?: boolean; // bytes: steps of powers of two
}

const HEIGHT = 132;
const SECONDS_SHOWN = 300;
const LEAST_SECONDS = 60;
const WHOLE_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
const BINARY_STEPS = Array.from({ length: 31 }, (_, i) => 2 ** (i + 18));

export class Chart {
  readonly element: HTMLElement;
  private readonly place = h("div", { class: "plot", role: "img" });
  private readonly values: HTMLElement[] = [];
  private plot: uPlot | undefined;
  private points: Point[] = [];
  private readonly resize = new ResizeObserver(() => this.fit());
  private readonly unsubscribe: () => void;

  constructor(private readonly options: ChartOptions) {
    const legend = h("dl", { class: "legend" });
    for (const line of options.lines) {
      const value = h("dd", {}, "–");
      this.values.push(value);
      const swatch = h("span", { class: "swatch", "aria-hidden": "true" });
      swatch.style.setProperty("--swatch", `var(${line.colour})`);
      legend.append(h("div", {}, h("dt", {}, swatch, line.label), value));
    }
    this.element = h("figure", { class: "chart" }, h("h3", {}, options.title), legend, this.place);
    this.resize.observe(this.place);
    this.unsubscribe = onTheme(() => this.build());
  }

  update(points: Point[]): void {
    this.points = points;
    const last = points[points.length - 1];
    const words: string[] = [];
    this.options.lines.forEach((line, i) => {
      const text = last ? this.options.format(line.value(last)) : "–";
      setText(this.values[i] as HTMLElement, text);
      words.push(`${line.label} ${text}`);
    });
    const label = `${this.options.title}, last ${SECONDS_SHOWN / 60} minutes; now ${words.join(", ")}`;
    this.place.setAttribute("aria-label", label);
    if (!this.plot) this.build();
    else this.plot.setData(this.data(), true);
  }

  destroy(): void {
    this.resize.disconnect();
    this.unsubscribe();
    this.plot?.destroy();
    this.plot = undefined;
  }

  private shown(): Point[] {
    const end = this.points[this.points.length - 1]?.seconds ?? 0;
    return this.points.filter(({ seconds }) => seconds >= end - SECONDS_SHOWN);
  }

  private data(): uPlot.AlignedData {
    const points = this.shown();
    const columns = this.options.lines.map(({ value }) =>
      points.map((point) => {
        const number = value(point);
        return Number.isFinite(number) ? number : null;
      }),
    );
    if (this.options.stacked) {
      for (let i = columns.length - 2; i >= 0; --i) {
        const below = columns[i + 1] ?? [];
        columns[i] = (columns[i] ?? []).map((value, j) =>
          value === null ? null : value + (below[j] ?? 0),
        );
      }
    }
    return [points.map(({ seconds }) => seconds), ...columns];
  }

  private fit(): void {
    const width = this.place.clientWidth;
    if (width > 0 && this.plot && this.plot.width !== width) {
      this.plot.setSize({ width, height: HEIGHT });
    } else if (width > 0 && !this.plot && this.points.length > 0) {
      this.build();
    }
  }

  private build(): void {
    const width = this.place.clientWidth;
    this.plot?.destroy();
    this.plot = undefined;
    if (width === 0 || this.points.length === 0) return;
    const ink = colour("--ink-soft");
    const grid = { stroke: colour("--line"), width: 1 };
    const font = "11px system-ui, sans-serif";
    const { lines, stacked, minTop = 1 } = this.options;
    const axisText = this.options.axis ?? this.options.format;
    const options: uPlot.Options = {
      width,
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      padding: [6, 22, 0, 0],
      scales: {
        x: { time: true, range: (_, min, max) => [Math.min(min, max - LEAST_SECONDS), max] },
        y: { range: (_, __, max) => [0, Math.max(minTop, (max ?? 0) * 1.1)] },
      },
      axes: [
        { stroke: ink, font, grid: { show: false }, ticks: { show: false }, size: 20, space: 70,
          values: (_, times) => times.map((time) => clock(time)) },
        { stroke: ink, font, grid, ticks: { show: false }, size: 52, space: 28,
          ...(this.options.whole && { incrs: WHOLE_STEPS }), ...(this.options.binary && { incrs: BINARY_STEPS }),
          values: (_, values) => values.map((value) => axisText(value)) },
      ],
      series: [
        {},
        ...lines.map(({ colour: name, fill }) => {
          const stroke = colour(name);
          const series: uPlot.Series = { stroke, width: 1.5, points: { show: false }, spanGaps: false };
          if (stacked || fill) series.fill = `${stroke}${stacked ? "cc" : "22"}`;
          return series;
        }),
      ],
    };
    this.plot = new uPlot(options, this.data(), this.place);
  }
}

function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB");
}
