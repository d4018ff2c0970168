"""`--split`: a table into a folder of files by key, mpart's split beside DuckDB's partitioned COPY.

An answer here is what is in the folder: the files that have rows, and sums over all of them, by
mpart's query. DuckDB's parts by hash are other ones than mpart's, so single files are not compared.
"""
import glob
import os
import subprocess

import engines
import measure

QUESTIONS = 'splits.json'


def files_with_rows(folder):
    """The CSV files of a folder, at any depth, that have more than a header."""
    found = glob.glob(os.path.join(glob.escape(folder), '**', '*.csv'), recursive=True)
    return sorted(f for f in found if count_lines(f) > 1)


def count_lines(path):
    with open(path, 'rb') as f:
        return sum(1 for _, line in zip(range(2), f))


def look_inside(question, ready, results, outs, options):
    """The same as the arguments, but with a file of sums in place of each folder; an engine whose
    folder has not half as many files as there are parts has failed."""
    command, env = engines.mpart_command(options)
    sums = {}
    for engine in ready:
        folder = outs.get(engine.name)
        if not folder:
            continue
        files = files_with_rows(folder)
        if len(files) < question['parts'] * 0.5:
            results[engine.name] = {'failed': f"{len(files)} files for {question['parts']} parts"}
        else:
            sums[engine.name] = folder + '.sums'
            subprocess.run([*command, 'query', *files, '--agg', 'count(), sum(id6), sum(v1), sum(v2)',
                            '--format', 'csv', '-o', sums[engine.name]],
                           env={**os.environ, **env}, stdin=subprocess.DEVNULL, check=True)
        measure.remove(folder)
    return results, sums


def notes(entries):
    """The memory of each engine's largest process, mapped pages of the input included."""
    return [f"{name}: {engine} {result['peak_kib'] / 1024:.0f} MiB in its largest process"
            for name, entry in entries.items() for engine, result in entry['engines'].items()
            if 'peak_kib' in result]
