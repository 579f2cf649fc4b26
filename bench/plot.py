"""Writes line charts as SVG, readable on light and on dark pages; no library needed.

Both axes are logarithmic: rates of engines differ by tens of times, and what counts is the ratio.
"""
import dataclasses
import html
import math

WIDTH, PANEL, TOP, LEFT, BOTTOM, LEGEND = 860, 280, 46, 64, 44, 26
COLOURS = ("#d9480f", "#1971c2", "#2f9e44", "#9c36b5", "#868e96")  # fair contrast on both grounds
DASHES = ("", "6 3", "2 3", "8 3 2 3", "4 4")

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 15px }
  .grid { stroke: #8c959f; stroke-opacity: .3 }
  @media (prefers-color-scheme: dark) { text { fill: #d1d7e0 } }
"""


@dataclasses.dataclass
class Panel:
    title: str
    x_name: str
    series: dict  # engine -> [(x, y)], x > 0 and y > 0


def ticks(least, greatest):
    """1, 2 and 5 times powers of ten within the range."""
    found = []
    for power in range(math.floor(math.log10(least)), math.ceil(math.log10(greatest)) + 1):
        found += [step * 10 ** power for step in (1, 2, 5)]
    return [one for one in found if least <= one <= greatest]


def bounds(values):
    """A little more than the values span, so that no mark lies on the frame."""
    least, greatest = min(values), max(values)
    room = max((greatest / least) ** 0.06, 1.15)
    return least / room, greatest * room


def place(value, span, start, end):
    low, high = (math.log(one) for one in span)
    return start + (math.log(value) - low) / (high - low) * (end - start)


def number(value):
    return f"{value:g}" if value < 1e6 else f"{value:.0f}"


def axes(panel, frame, x_span, y_span):
    left, top, right, bottom = frame
    out = [f'<text class="title" x="{left}" y="{top - 14}">{html.escape(panel.title)}</text>']
    for tick in ticks(*y_span):
        y = place(tick, y_span, bottom, top)
        out.append(f'<path class="grid" d="M{left} {y:.1f}H{right}"/>')
        out.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{number(tick)}</text>')
    for tick in sorted({x for points in panel.series.values() for x, _ in points}):
        x = place(tick, x_span, left, right)
        out.append(f'<path class="grid" d="M{x:.1f} {top}V{bottom}"/>')
        out.append(f'<text x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{number(tick)}</text>')
    out.append(f'<text x="{(left + right) / 2}" y="{bottom + 36}" text-anchor="middle">'
               f'{html.escape(panel.x_name)}</text>')
    return out


def line(points, look, frame, x_span, y_span):
    left, top, right, bottom = frame
    colour, dash = look
    spots = [(place(x, x_span, left, right), place(y, y_span, bottom, top)) for x, y in points]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in spots)
    out = [f'<path fill="none" stroke="{colour}" stroke-width="2.2" stroke-dasharray="{dash}" '
           f'd="M{path}"/>']
    for (x, y), (at, value) in zip(spots, points):
        out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6" fill="{colour}">'
                   f'<title>{number(at)}: {value:.1f}</title></circle>')
    return out


def draw(panels):
    """The SVG's text: panels side by side, one legend below."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.series))
    looks = {name: (COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)])
             for i, name in enumerate(names)}
    height = TOP + PANEL + BOTTOM + LEGEND
    each = WIDTH / len(panels)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
           f'width="{WIDTH}" height="{height}" role="img">', f"<style>{STYLE}</style>"]
    for i, panel in enumerate(panels):
        frame = (each * i + LEFT, TOP, each * (i + 1) - 16, TOP + PANEL)
        points = [point for series in panel.series.values() for point in series]
        x_span = bounds([x for x, _ in points])
        y_span = bounds([y for _, y in points])
        out += axes(panel, frame, x_span, y_span)
        for name, series in panel.series.items():
            out += line(sorted(series), looks[name], frame, x_span, y_span)
    x = LEFT
    for name in names:
        colour, dash = looks[name]
        out.append(f'<path stroke="{colour}" stroke-width="2.2" stroke-dasharray="{dash}" '
                   f'd="M{x} {height - 12}h26"/>')
        out.append(f'<text x="{x + 32}" y="{height - 8}">{html.escape(name)}</text>')
        x += 60 + 7.4 * len(name)
    return "\n".join([*out, "</svg>", ""])
