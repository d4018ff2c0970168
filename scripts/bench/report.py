"""What a report says, as text: lines for the terminal, tables in Markdown for a README.

A report is the JSON file that bench.py writes. 'questions' (of the questions or the shapes) maps a
name to the results of every engine; 'scaling' maps one to the results of one rank and of several.
"""
import engines
import measure

NAME_WIDTH = 40
WIDTH = 9
NAMES = {'duckdb': 'DuckDB', 'chdb': 'chDB', 'polars': 'Polars'}


class Unreadable(Exception):
    """The report cannot be used; the text says why in a few words."""


def label(name):
    return NAMES.get(name, name)


def count(number):
    """1e7 for 10000000; other numbers as they are."""
    digits = str(number)
    if number >= 1000 and len(digits.rstrip('0')) == 1:
        return f'{digits[0]}e{len(digits) - 1}'
    return digits


def size(n_bytes):
    for unit, name in ((1e9, 'GB'), (1e6, 'MB')):
        if n_bytes >= unit:
            return f'{n_bytes / unit:.{1 if n_bytes < 10 * unit else 0}f} {name}'
    return f'{n_bytes / 1e3:.0f} kB'


def seconds(number):
    """Three digits, at most two of them behind the point."""
    return f'{number:.2f}' if number < 10 else f'{number:.1f}' if number < 100 else f'{number:.0f}'


def data(entry):
    """'1e7 rows, 0.51 GB' as far as it is known."""
    rows = [f"{count(entry['rows'])} rows"] if entry.get('rows') else []
    return ', '.join(rows + ([size(entry['file_bytes'])] if 'file_bytes' in entry else []))


def subtitle(report):
    parts = [data(report), f"{report['ranks']} ranks or threads",
             'single runs' if report['runs'] == 1 else f"medians of {report['runs']}",
             f"{report['cpu']}, {report['cpus']} CPUs"]
    return ' · '.join(part for part in parts if part)


def speed(entry):
    """GB/s of mpart, or None."""
    taken = entry['engines'].get('mpart', {}).get('seconds')
    return entry['file_bytes'] / taken / 1e9 if taken and 'file_bytes' in entry else None


def verdict(entry):
    """'OK', 'DIFFERS', or '-' if there was nothing to compare."""
    answered = sum('seconds' in result for result in entry['engines'].values())
    if not entry.get('compared', True) or answered < 2:
        return '-'
    return 'DIFFERS' if entry['differences'] else 'OK'


def cell(results, name):
    if name not in results:
        return '-'
    return seconds(results[name]['seconds']) if 'seconds' in results[name] else 'failed'


def header(names):
    return (f"{'':{NAME_WIDTH}}" + ''.join(n.rjust(WIDTH) for n in names)
            + f"   {'peer/mpart':14}answers")


def row(name, entry, names):
    cells = ''.join(cell(entry['engines'], n).rjust(WIDTH) for n in names)
    best, peer = entry['peer_over_mpart'], entry['best_peer']
    against = f'{best:.2f} {peer}' if best else '-'
    title = f"{name:7} {entry['text']}"
    line = f'{title:{NAME_WIDTH}}{cells}   {against:14}{verdict(entry):9}'
    if speed(entry):
        line += f'{data(entry)}, mpart {speed(entry):.2f} GB/s'
    return line.rstrip()


def notes(name, entry):
    """What is to be said below the table about one question."""
    lines = [f'{name}: {text}' for text in entry['differences']]
    for engine, result in entry['engines'].items():
        if 'failed' in result:
            lines.append(f"{name}: {engine} failed, {result['failed']}")
            lines += ['    ' + line for line in result.get('output', [])]
    return lines


def quoted_note(entries):
    """The speed of the quoted file against the plain one: a list of one line, or of none."""
    both = [entries.get(name) and speed(entries[name]) for name in ('quoted', 'plain')]
    return [f'quoted: {both[0] / both[1]:.0%} of the GB/s of plain'] if all(both) else []


def check(report):
    """Raise Unreadable unless this is a report; complete what older ones do not have."""
    entries = report.get('questions', report.get('scaling')) if isinstance(report, dict) else None
    if not isinstance(entries, dict) or not {'ranks', 'runs', 'cpu', 'cpus'} <= set(report):
        raise Unreadable('no report of this suite')
    if not entries:
        raise Unreadable('nothing is measured in it')
    texts = {q['name']: q['text'] for q in engines.load_questions()}
    for name, entry in entries.items():
        entry.setdefault('text', texts.get(name, ''))
        if 'engines' in entry:
            entry['peer_over_mpart'], entry['best_peer'] = measure.ratio(entry['engines'])
            entry.setdefault('differences', [])


def table(lines):
    """A Markdown table; the first line is the header."""
    lines = [lines[0], ['---'] * len(lines[0])] + lines[1:]
    return ''.join('| ' + ' | '.join(line) + ' |\n' for line in lines)


def markdown(report):
    if 'scaling' in report:
        return markdown_scaling(report)
    names = list(report['engines'])
    shapes = any('file_bytes' in entry for entry in report['questions'].values())
    lines = [['question'] + (['data', 'mpart, GB/s'] if shapes else [])
             + [f'{label(n)}, s' for n in names] + ['times faster', 'answers']]
    for name, entry in report['questions'].items():
        best, peer = entry['peer_over_mpart'], entry['best_peer']
        rate = speed(entry)
        lines.append([f"{name} {entry['text']}"]
                     + ([data(entry), f'{rate:.2f}' if rate else '-'] if shapes else [])
                     + [cell(entry['engines'], n) for n in names]
                     + [f'{best:.1f} ({label(peer)})' if best else '-',
                        {'OK': 'equal', 'DIFFERS': 'differ'}.get(verdict(entry), '-')])
    return table(lines) + '\n' + subtitle(report) + '.\n'


def markdown_scaling(report):
    ranks = report['ranks']
    lines = [['question', '1 rank, s', f'{ranks} ranks, s', 'times faster', 'without launch',
              'answers']]
    for name, entry in report['scaling'].items():
        lines.append([f"{name} {entry['text']}", *scaling_cells(entry)])
    text = table(lines) + '\n' + subtitle(report) + '.\n'
    return text + ('\n' + memory_line(report['memory']) + '.\n' if report.get('memory') else '')


def scaling_cells(entry):
    """Seconds of one and of several ranks, times faster, that without launch, answers."""
    def times(key):
        return f'{entry[key]:.2f}' if entry.get(key) else '-'

    same = {True: 'equal', False: 'differ', None: '-'}[entry['same_bytes']]
    cells = [seconds(r['seconds']) if 'seconds' in r else 'failed'
             for r in (entry['one'], entry['several'])]
    return [*cells, times('times'), times('times_inside'), same]


def memory_line(memory):
    sizes = ', '.join(f"{own / 1e6:.1f} MB at {count(rows)} rows"
                      for rows, own in zip(memory['rows'], memory['own_bytes']))
    within = 'within' if memory['ratio'] <= 1.1 else 'not within'
    return f"own memory per rank on q1: {sizes}: {memory['ratio']:.2f} times, {within} 10 %"
