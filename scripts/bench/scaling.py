"""`--scaling`: several ranks against one, and the memory of a rank at two sizes of the file.

Seconds are whole processes like everywhere in this suite, and also those that mpart itself counts
(--stats), which leave the launch of MPI out. Both numbers of ranks must give the same bytes.
"""
import copy
import filecmp
import json
import os
import statistics

import engines
import measure
import report as texts

SMALLER = 10


def prepare(n_ranks, options):
    """(engine, the file of its --stats) for mpart on so many ranks."""
    options = copy.copy(options)
    options.ranks = n_ranks
    engine = engines.Engine('mpart', options)
    stats = os.path.join(options.folder, f'stats.{n_ranks}.json')
    engine.extra = ['--stats', stats]
    return engine, stats


def run(pair, question, path, out, options):
    """One run of what prepare() gave, with 'inside' (seconds by mpart's own clock) and 'own_bytes'
    (of the rank that needs most)."""
    engine, stats = pair
    result = measure.run_once(engine, question, path, out, options.timeout)
    if 'failed' not in result:
        with open(stats, encoding='utf-8') as f:
            said = json.load(f)
        os.remove(stats)
        result['inside'] = said['seconds']
        result['own_bytes'] = max(rank['peak_anon'] for rank in said['ranks'])
    return result


def summary(runs):
    """The runs of one number of ranks as one result."""
    failed = [r for r in runs if 'failed' in r]
    if failed:
        return failed[0]
    return {'seconds': statistics.median(r['seconds'] for r in runs),
            'inside': statistics.median(r['inside'] for r in runs),
            'runs': [r['seconds'] for r in runs],
            'own_bytes': max(r['own_bytes'] for r in runs)}


def compare_ranks(question, path, options):
    """One question on one rank and on options.ranks, by turns."""
    pairs = [prepare(1, options), prepare(options.ranks, options)]
    outs = [os.path.join(options.folder, f"{question['name']}.{i}.csv") for i in range(2)]
    runs = ([], [])
    for _ in range(options.runs):
        for pair, out, done in zip(pairs, outs, runs):
            if not done or 'failed' not in done[-1]:
                done.append(run(pair, question, path, out, options))
    one, several = summary(runs[0]), summary(runs[1])
    entry = {'text': question['text'], 'one': one, 'several': several, 'same_bytes': None}
    if 'failed' not in one and 'failed' not in several:
        entry['times'] = round(one['seconds'] / several['seconds'], 3)
        entry['times_inside'] = round(one['inside'] / max(several['inside'], 1e-6), 3)
        entry['same_bytes'] = filecmp.cmp(*outs, shallow=False)
    for out in outs:
        measure.remove(out)
    return entry


def memory(question, large, options):
    """Own memory of a rank at a tenth of the rows and at all of them (large: its result there);
    None if a run failed."""
    rows = max(1, options.rows // SMALLER)
    path = measure.data_file(rows, options)
    measure.warm(path)
    pair = prepare(options.ranks, options)
    out = os.path.join(options.folder, 'memory.csv')
    small = summary([run(pair, question, path, out, options)
                     for _ in range(options.runs)])
    measure.remove(out)
    if 'failed' in small or 'failed' in large:
        return None
    own = [small['own_bytes'], large['own_bytes']]
    return {'rows': [rows, options.rows], 'own_bytes': own, 'ratio': round(own[1] / own[0], 3)}


def main(options, path, save):
    """Measure and print; save(report) after each step. Return whether all went well."""
    report = {'rows': options.rows, 'file_bytes': os.path.getsize(path),
              **measure.machine(options), 'scaling': {}}
    print(texts.subtitle(report))
    print(f"{'':40}{'1 rank':>9}{f'{options.ranks} ranks':>9}{'times':>9}{'inside':>9}  answers",
          flush=True)
    good = True
    asked = options.questions.split(',') if options.questions else ['q1', 'q5']
    questions = {q['name']: q for q in engines.load_questions()}
    for name in asked:
        entry = compare_ranks(questions[name], path, options)
        report['scaling'][name] = entry
        *cells, same = texts.scaling_cells(entry)
        print(f"{name:7} {entry['text']:32}" + ''.join(c.rjust(9) for c in cells) + '  ' + same,
              flush=True)
        for side in ('one', 'several'):
            if 'failed' in entry[side]:
                print('\n    '.join([f"{name}: {entry[side]['failed']}",
                                     *entry[side].get('output', [])]))
        good = good and bool(entry['same_bytes'])
        save(report)
    if options.rows and 'q1' in report['scaling']:
        report['memory'] = memory(questions['q1'], report['scaling']['q1']['several'], options)
        print(texts.memory_line(report['memory']) if report['memory'] else 'memory: a run failed')
        good = good and report['memory'] is not None
        save(report)
    return good
