"""A report as a picture: SVG, seconds by question and engine, on a background of its own.

One group of bars for each question, in two columns that share one linear axis. A few slow runs do
not flatten all others: bars beyond the axis are broken, and every bar has its seconds beside it.
"""
import math
import statistics
from xml.sax.saxutils import escape

import report as texts

WIDTH = 900
MARGIN = 28
GUTTER = 36
NAME_WIDTH = 52       # engine names, left of the bars
VALUE_WIDTH = 62      # seconds, right of the bars
RATE_WIDTH = 52       # and GB/s
HEAD_HEIGHT = 21
PITCH = 15            # from one bar to the next
BAR_HEIGHT = 11
GROUP_GAP = 17
TOP = 82
BOTTOM_GAP = 28       # from the axis to the lines at the bottom
LINE_HEIGHT = 15      # of the lines at the bottom
LINE_LETTERS = 140

PAPER, FRAME, GRID = '#ffffff', '#d5dae0', '#e6e9ed'
INK, FAINT, BAD = '#1c2530', '#5d6875', '#b3261e'
MPART, PEER, BEST_PEER = '#0b7a75', '#b9c4d0', '#7489a0'
TITLE = 'Group by, CSV file to answer'
FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"


def text(x, y, words, **attributes):
    """A line of text at its baseline; attributes as SVG has them, with _ for -."""
    attributes = {'font_size': 12, 'fill': INK, **attributes}
    said = ' '.join(f"{name.replace('_', '-')}='{value}'" for name, value in attributes.items())
    return f"<text x='{x:.1f}' y='{y:.1f}' {said}>{escape(words)}</text>"


class Axis:
    """Seconds to pixels: from 0 to .end in round steps, at most .width wide."""

    def __init__(self, entries, width):
        results = [e['engines'] for e in entries.values()]
        every = [r['seconds'] for rs in results for r in rs.values() if 'seconds' in r] or [1]
        best = [min(peers) for peers in (
            [r['seconds'] for n, r in rs.items() if n != 'mpart' and 'seconds' in r]
            for rs in results) if peers]
        usual = 2 * statistics.median(best) if best else max(every)
        reach = max(every) if max(every) <= 2.5 * usual else usual
        self.step = nice_step(reach)
        self.end = self.step * math.ceil(reach / self.step - 1e-9)
        self.width = width

    def pixels(self, seconds):
        return self.width * seconds / self.end

    def ticks(self):
        return [self.step * i for i in range(round(self.end / self.step) + 1)]


def nice_step(reach):
    """A step of 1, 2 or 5 times a power of ten, of which at most five make the reach."""
    power = 10 ** math.floor(math.log10(reach / 5))
    return next(power * m for m in (1, 2, 5, 10) if power * m * 5 >= reach * (1 - 1e-9))


def draw_bar(at, name, entry, axis):
    """One engine's line in a group: name, bar, seconds; the reason where it failed."""
    x, y = at
    base = y + BAR_HEIGHT - 1.5
    own = name == 'mpart'
    result = entry['engines'][name]
    parts = [text(x + NAME_WIDTH - 6, base, texts.label(name), font_size=11, text_anchor='end',
                  fill=INK if own else FAINT, font_weight=600 if own else 400)]
    left = x + NAME_WIDTH
    if 'seconds' not in result:
        why = f"failed: {result.get('failed', 'no reason given')}"
        return parts + [text(left + 4, base, why, font_size=11, fill=BAD)]
    seconds = result['seconds']
    length = max(1.5, axis.pixels(min(seconds, axis.end)))
    parts.append(f"<rect x='{left:.1f}' y='{y:.1f}' width='{length:.1f}' height='{BAR_HEIGHT}' "
                 f"fill='{MPART if own else BEST_PEER if name == entry['best_peer'] else PEER}'/>")
    if seconds > axis.end:
        parts.append(f"<path d='M{left + length - 16:.1f} {y + 12} l5 -13 h4 l-5 13 z' "
                     f"fill='{PAPER}'/>")
    words = f'{texts.seconds(seconds)} s'
    if own and entry.get('rows') and texts.speed(entry):
        words += f' · {texts.speed(entry):.2f} GB/s'
    return parts + [text(left + length + 5, base, words, font_size=11,
                         font_weight=600 if own else 400)]


def advantage(entry):
    """(words, colour) above a group, on the right."""
    if entry['differences']:
        return 'answers differ', BAD
    best, peer = entry['peer_over_mpart'], entry['best_peer']
    if not best:
        return '', INK
    if best >= 1:
        return f'{best:.1f}× faster than {texts.label(peer)}', MPART
    return f'{1 / best:.1f}× slower than {texts.label(peer)}', BAD


def draw_head(x, y, width, name, entry):
    words, colour = advantage(entry)
    own = entry.get('file_bytes')
    detail = entry['text'] + (f', {texts.size(own)}' if own else '')
    title = (f"<tspan font-weight='700'>{escape(name)}</tspan>"
             f"<tspan dx='6'>{escape(detail)}</tspan>")
    return [f"<text x='{x:.1f}' y='{y}' font-size='12' fill='{INK}'>{title}</text>",
            text(x + width, y, words, fill=colour, text_anchor='end', font_weight=700)]


def draw_group(at, width, name, entry, axis):
    """One question: its title, what it shows, the bars before their part of the grid."""
    x, y = at
    parts = draw_head(x, y + 12, width, name, entry)
    y += HEAD_HEIGHT
    bottom = y + PITCH * len(entry['engines']) - (PITCH - BAR_HEIGHT)
    for tick in axis.ticks():
        across = x + NAME_WIDTH + axis.pixels(tick)
        parts.append(f"<path d='M{across:.1f} {y - 2} V{bottom + 2}' "
                     f"stroke='{FRAME if tick == 0 else GRID}'/>")
    for engine in entry['engines']:
        parts += draw_bar((x, y), engine, entry, axis)
        y += PITCH
    return parts


def draw_column(x, width, entries, axis):
    """Questions one below the other, the seconds of the axis under the last."""
    parts = []
    y = TOP
    for name, entry in entries.items():
        parts += draw_group((x, y), width, name, entry, axis)
        y += height_of(entry)
    for tick in axis.ticks():
        parts.append(text(x + NAME_WIDTH + axis.pixels(tick), y,
                          f'{tick:g}' + (' s' if tick == 0 else ''),
                          font_size=10.5, fill=FAINT, text_anchor='middle'))
    return parts


def height_of(entry):
    return HEAD_HEIGHT + PITCH * max(1, len(entry['engines'])) + GROUP_GAP


def columns_of(entries):
    """The questions in one column, or in two of nearly the same height."""
    names = list(entries)
    if len(names) < 3:
        return [entries]
    heights = [height_of(entry) for entry in entries.values()]
    cut = min(range(1, len(names)), key=lambda i: (max(sum(heights[:i]), sum(heights[i:])), -i))
    return [{n: entries[n] for n in part} for part in (names[:cut], names[cut:])]


def wrap(items, separator):
    """Lines of the items, each of LINE_LETTERS at most if an item is not longer."""
    lines = []
    for item in items:
        if lines and len(lines[-1]) + len(separator) + len(item) <= LINE_LETTERS:
            lines[-1] += separator + item
        else:
            lines.append(item)
    return lines


def bottom_lines(report, axis):
    versions = [version if version.startswith(name) else f'{texts.label(name)} {version}'
                for name, version in report['engines'].items()]
    lines = wrap(versions, ' · ')
    skipped = [f'{texts.label(n)} ({why})' for n, why in report.get('skipped', {}).items()]
    lines += wrap([f'not measured: {s}' for s in skipped], '; ')
    if any(r['seconds'] > axis.end for e in report['questions'].values()
           for r in e['engines'].values() if 'seconds' in r):
        lines.append(f'bars that are cut go on beyond {axis.end:g} s')
    return lines


def frame(height, parts):
    size = f"width='{WIDTH}' height='{height}'"
    return (f"<svg xmlns='http://www.w3.org/2000/svg' {size} viewBox='0 0 {WIDTH} {height}' "
            f"{FONT}>\n<rect x='0.5' y='0.5' width='{WIDTH - 1}' height='{height - 1}' rx='8' "
            f"fill='{PAPER}' stroke='{FRAME}'/>\n" + '\n'.join(parts) + '\n</svg>\n')


def draw(report):
    """The SVG text of a report that texts.check() has found good."""
    entries = report.get('questions')
    if not entries:
        raise texts.Unreadable('the report has no questions to plot')
    columns = columns_of(entries)
    width = (WIDTH - 2 * MARGIN - GUTTER * (len(columns) - 1)) / len(columns)
    rates = any(entry.get('rows') for entry in entries.values())
    axis = Axis(entries, width - NAME_WIDTH - VALUE_WIDTH - RATE_WIDTH * rates)
    title = f"{report.get('title', TITLE)}: seconds, less is better"
    parts = [text(MARGIN, 36, title, font_size=19, font_weight=700),
             text(MARGIN, 58, texts.subtitle(report), font_size=12.5, fill=FAINT)]
    for i, column in enumerate(columns):
        parts += draw_column(MARGIN + i * (width + GUTTER), width, column, axis)
    y = TOP + max(sum(map(height_of, column.values())) for column in columns) + BOTTOM_GAP
    for line in bottom_lines(report, axis):
        parts.append(text(MARGIN, y, line, font_size=10.5, fill=FAINT))
        y += LINE_HEIGHT
    return frame(y + 2, parts)


def write(report, path):
    drawn = draw(report)
    with open(path, 'w', encoding='utf-8') as f:
        f.write(drawn)
