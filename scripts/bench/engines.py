"""The engines that bench.py measures: how each is found or installed, and its command line.

Every engine is one whole process per question (for mpart: one mpirun): it reads FILE and writes its
answer to OUT as CSV with a header, rows in any order, columns in the order of questions.json.
"""
import json
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
DEBIAN_PYTHON = '/usr/bin/python3'

PACKAGES = {
    'duckdb': ['@duckdb/node-api'],
    'chdb': ['chdb'],
    'polars': ['nodejs-polars', 'nodejs-polars-linux-x64-gnu'],
}
NAMES = ['mpart', 'duckdb', 'chdb', 'polars', 'pandas']


class Unavailable(Exception):
    """The engine cannot run here; the text says why in a few words."""


def load_questions(name='questions.json'):
    with open(os.path.join(HERE, name), encoding='utf-8') as f:
        return json.load(f)


class Engine:
    """One engine, ready to run; extra: more options for mpart. Construction raises Unavailable."""

    def __init__(self, name, options):
        self.name = name
        self.options = options
        self.env = dict(os.environ)
        self.extra = []
        if name == 'mpart':
            self._find_mpart()
        elif name == 'pandas':
            self._find_pandas()
        else:
            self._install_packages()

    def answers(self, question):
        """Whether the engine can be asked the question: jobs are for mpart, DuckDB and Polars, splits
        for the first two; pandas reads no shapes."""
        if question.get('command') == 'split':
            return self.name in ('mpart', 'duckdb')
        if self.name == 'pandas' and 'rows_factor' in question:
            return False
        return self.name in ('mpart', 'duckdb', 'polars') or not question.get('job')

    def command(self, path, question, out):
        if self.name == 'mpart':
            command = question.get('command', 'query')
            return self.start + [command, path, *question['mpart'], *self.extra, '-o', out]
        if self.name == 'pandas':
            script = [DEBIAN_PYTHON, os.path.join(HERE, 'pandas_pool.py')]
        else:
            script = ['node', os.path.join(HERE, self.name + '.mjs')]
        return script + [path, question['name'], out]

    def _find_mpart(self):
        self.start, extra = mpart_command(self.options)
        self.env.update(extra)
        try:
            self.version = _output([self.options.mpart, '--version'], self.env).split('\n')[0]
        except (OSError, subprocess.CalledProcessError):
            raise Unavailable(f"'{self.options.mpart} --version' fails") from None

    def _find_pandas(self):
        self.env['BENCH_THREADS'] = str(self.options.ranks)
        try:
            self.version = _output(
                [DEBIAN_PYTHON, '-c', 'import pandas; print(pandas.__version__)'], self.env)
        except (OSError, subprocess.CalledProcessError):
            raise Unavailable('no pandas (apt-get install python3-pandas)') from None

    def _install_packages(self):
        folder = self.options.folder
        modules = os.path.join(folder, 'node_modules')
        self.env.update(BENCH_MODULES=modules, BENCH_THREADS=str(self.options.ranks),
                        POLARS_MAX_THREADS=str(self.options.ranks))
        if not shutil.which('node') or not shutil.which('npm'):
            raise Unavailable('no node or npm (apt-get install nodejs npm)')
        with open(os.path.join(HERE, 'package.json'), encoding='utf-8') as f:
            wanted = json.load(f)['dependencies']
        packages = PACKAGES[self.name]
        missing = [f'{p}@{wanted[p]}' for p in packages if _installed(modules, p) != wanted[p]]
        if missing:
            _npm_install(folder, missing)
        probe = ('require("module").createRequire(process.env.BENCH_MODULES + "/")'
                 '(process.argv[1])')
        try:
            _output(['node', '-e', probe, packages[0]], self.env)
        except subprocess.CalledProcessError:
            raise Unavailable(f'{packages[0]} does not load with this node') from None
        self.version = wanted[packages[0]]


def mpart_command(options):
    """The start of a command line that runs mpart on all ranks, and what its environment needs."""
    if not os.access(options.mpart, os.X_OK):
        raise Unavailable(f"no program '{options.mpart}' (make)")
    if not shutil.which('mpirun'):
        raise Unavailable('no mpirun (apt-get install openmpi-bin)')
    command = ['mpirun', '-np', str(options.ranks)]
    if options.ranks > len(os.sched_getaffinity(0)):
        command.append('--oversubscribe')
    command.append(options.mpart)
    if os.geteuid() != 0:
        return command, {}
    return command, {'OMPI_ALLOW_RUN_AS_ROOT': '1', 'OMPI_ALLOW_RUN_AS_ROOT_CONFIRM': '1'}


def _output(command, env):
    return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=True).stdout.strip()


def _installed(modules, package):
    """The installed version, or None."""
    try:
        with open(os.path.join(modules, package, 'package.json'), encoding='utf-8') as f:
            return json.load(f)['version']
    except OSError:
        return None


def _npm_install(folder, packages):
    """Install packages (name@version) below folder, which a package.json makes npm's root."""
    os.makedirs(folder, exist_ok=True)
    root = os.path.join(folder, 'package.json')
    if not os.path.exists(root):
        with open(root, 'w', encoding='utf-8') as f:
            f.write('{"private": true}\n')
    print(f"bench: npm installs {' '.join(packages)} into {folder}", flush=True)
    command = ['npm', 'install', '--no-audit', '--no-fund', '--loglevel=error', *packages]
    try:
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        raise Unavailable('npm did not finish in 300 s') from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ['no message']
        raise Unavailable(f'npm could not install it ({lines[0][:80]})')
