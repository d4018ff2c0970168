"""The suite behind `make bench`: the ten questions of the db-benchmark set G1, mpart and its peers.

Every run is a whole process, launch included; the engines take turns within a round, and the file
is in the page cache before the first. Prints one line per question (median seconds per engine, the
best peer's time over mpart's, whether the answers agree), writes all runs to a JSON file and a plot
of them beside it. Exit 1 if an answer differs or mpart fails.
"""
import argparse
import json
import os
import signal
import subprocess
import sys

import answers
import engines
import measure
import plot
import report as texts
import scaling
import shapes
import split

SHAPES = 'shapes.json'


def make_parser():
    p = argparse.ArgumentParser(prog='scripts/bench/run.sh',
                                description=__doc__.split('\n\n', maxsplit=1)[0])
    add = p.add_argument
    add('n_rows', nargs='?', type=float, metavar='ROWS', help='rows (default 1e7)')
    add('--rows', type=float, metavar='N', help='the same')
    add('--runs', type=int, default=3, metavar='K', help='runs of each (default 3)')
    add('--engines', default=','.join(engines.NAMES), metavar='LIST', help='default: %(default)s')
    add('--questions', metavar='LIST', help='such as q1,q5; default: all of them')
    add('--jobs', action='store_true', help='also filter and sort, CSV to CSV (mpart, DuckDB, Polars)')
    add('--shapes', action='store_true',
        help='other files instead: quotes, many columns, short rows, long keys, Zipf')
    add('--split', action='store_true',
        help='split into folders instead: 100 keys, 1,000 parts (mpart, DuckDB)')
    add('--scaling', action='store_true',
        help='mpart alone instead: q1 and q5 on one rank and on all, memory at ROWS/10 and ROWS')
    add('--ranks', type=int, default=2, metavar='N', help='ranks; threads of the peers (default 2)')
    add('--file', metavar='CSV', help='this data instead of generated data')
    add('--timeout', type=float, default=600, metavar='S', help='seconds for a run (default 600)')
    add('--no-compare', action='store_true', help='do not compare the answers')
    add('--mpart', default=os.environ.get('MPART', './mpart'), metavar='PROGRAM',
        help='default: MPART in the environment, or ./mpart')
    add('--folder', default='build/bench', metavar='DIR', help='default: build/bench')
    add('--json', metavar='FILE',
        help='default: DIR/results.json, or named shapes, split or scaling')
    add('--svg', metavar='FILE', help='the plot (default: named as the JSON file)')
    add('--plot-only', metavar='JSON', help='measure nothing: the plot of earlier results')
    add('--markdown', metavar='JSON', help='measure nothing: print earlier results as a table')
    return p


def parse_options(argv):
    p = make_parser()
    options = p.parse_args(argv)
    rows = options.rows if options.rows is not None else options.n_rows
    # How many rows a file that was given has is known only if it is said.
    options.rows = int(rows or 0) if options.file or rows is not None else 10_000_000
    options.folder = os.path.abspath(options.folder)
    options.mpart = os.path.abspath(options.mpart)
    kind = 'shapes' if options.shapes else 'split' if options.split else 'scaling' if options.scaling else 'results'
    options.json = options.json or os.path.join(options.folder, kind + '.json')
    source = options.plot_only or options.json
    options.svg = options.svg or os.path.splitext(source)[0] + '.svg'
    options.engines = options.engines.split(',')
    check_options(p, options)
    return options


def list_of(options):
    """The file of the questions that are asked."""
    return SHAPES if options.shapes else split.QUESTIONS if options.split else 'questions.json'


def check_options(p, options):
    known = {q['name'] for q in engines.load_questions(list_of(options))}
    asked = options.questions.split(',') if options.questions else []
    for name in sorted(set(options.engines) - set(engines.NAMES) | set(asked) - known):
        p.error(f"unknown name '{name}'")
    if options.rows < (0 if options.file else 1) or options.runs < 1 or options.ranks < 1:
        p.error('rows, runs and ranks start at 1')
    if options.shapes and (options.scaling or options.file):
        p.error('--shapes does not go with --scaling or --file')
    if options.split and (options.scaling or options.shapes or options.jobs):
        p.error('--split does not go with --scaling, --shapes or --jobs')
    if options.scaling and options.ranks < 2:
        p.error('--scaling needs at least two ranks')


def choose_questions(options):
    if options.shapes or options.split:
        questions = engines.load_questions(list_of(options))
    else:
        questions = [q for q in engines.load_questions()
                     if options.jobs or options.questions or not q.get('job')]
    if options.questions:
        return [q for q in questions if q['name'] in options.questions.split(',')]
    return questions


def find_engines(options):
    """The engines that can run here, and name to reason for the others."""
    ready, skipped = [], {}
    for name in options.engines:
        if name == 'pandas' and options.shapes:
            continue
        try:
            ready.append(engines.Engine(name, options))
        except engines.Unavailable as why:
            skipped[name] = str(why)
            print(f'bench: {name} skipped: {why}', flush=True)
    return ready, skipped


def measure_question(question, ready, path, options):
    """The report's entry for one question."""
    results, outs = measure.ask(question, ready, path, options)
    compared = not options.no_compare
    if options.split:
        results, outs = split.look_inside(question, ready, results, outs, options)
    differences = answers.compare(question, outs, options.folder) if compared else []
    for out in outs.values():
        measure.remove(out)
    best, peer = measure.ratio(results)
    return {'text': question['text'], 'engines': results, 'peer_over_mpart': best,
            'best_peer': peer, 'compared': compared, 'differences': differences}


def run_questions(options, path):
    """All questions to all engines, about the file at path, or about the shapes' own (path None).
    Return whether all went well."""
    ready, skipped = find_engines(options)
    names = [e.name for e in ready]
    report = {'title': 'Other shapes of file' if options.shapes else
                       'Split into folders' if options.split else plot.TITLE}
    if path:
        report.update(rows=options.rows or None, file_bytes=os.path.getsize(path))
    report.update(measure.machine(options), engines={e.name: e.version for e in ready},
                  skipped=skipped, questions={})
    print(texts.subtitle(report))
    print(', '.join(f'{e.name}: {e.version}' for e in ready))
    print(texts.header(names), flush=True)
    notes = []
    for question in choose_questions(options):
        own, rows = (path, None) if path else shapes.data_file(question, options)
        measure.warm(own)
        entry = measure_question(question, ready, own, options)
        if not path:
            entry.update(rows=rows, file_bytes=os.path.getsize(own))
        report['questions'][question['name']] = entry
        notes += texts.notes(question['name'], entry)
        print(texts.row(question['name'], entry, names), flush=True)
        save(report, options)
    notes += texts.quoted_note(report['questions'])
    if options.split:
        notes += split.notes(report['questions'])
    print(''.join(note + '\n' for note in notes), end='')
    plot.write(report, options.svg)
    print(f'bench: the plot is {os.path.relpath(options.svg)}')
    return not any(entry['differences'] or 'failed' in entry['engines'].get('mpart', {})
                   for entry in report['questions'].values())


def save(report, options):
    with open(options.json, 'w', encoding='utf-8') as f:
        json.dump(report, f, indent=1)


def run(options):
    os.makedirs(options.folder, exist_ok=True)
    path = None
    if not options.shapes:
        path = os.path.abspath(options.file) if options.file else (
            measure.data_file(options.rows, options))
        measure.warm(path)
    if options.scaling:
        good = scaling.main(options, path, lambda report: save(report, options))
    else:
        good = run_questions(options, path)
    print(f'bench: all runs are in {os.path.relpath(options.json)}')
    return 0 if good else 1


def load(path):
    try:
        with open(path, encoding='utf-8') as f:
            report = json.load(f)
        texts.check(report)
    except (ValueError, texts.Unreadable) as why:
        raise texts.Unreadable(f'{path}: {why}') from None
    return report


def show(options):
    """What --plot-only and --markdown ask for."""
    if options.markdown:
        print(texts.markdown(load(options.markdown)), end='')
    if options.plot_only:
        plot.write(load(options.plot_only), options.svg)
        print(f'bench: the plot is {os.path.relpath(options.svg)}')
    return 0


def main():
    options = parse_options(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return show(options) if options.plot_only or options.markdown else run(options)
    except OSError as why:
        print(f"bench: {why.filename or 'system'}: {why.strerror}", file=sys.stderr)
    except (subprocess.CalledProcessError, engines.Unavailable, texts.Unreadable) as why:
        print(f'bench: {why}', file=sys.stderr)
    return 1


if __name__ == '__main__':
    sys.exit(main())
