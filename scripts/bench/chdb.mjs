// chdb.mjs FILE QUESTION OUT: a question of questions.json or shapes.json by chDB, CSV to CSV.
// BENCH_MODULES is the node_modules folder, BENCH_THREADS the number of threads.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const require = createRequire(`${process.env.BENCH_MODULES}/`);
const { query } = require('chdb');

const [file, name, out] = process.argv.slice(2);
const list = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url)));
const questions = [...list('questions.json'), ...list('shapes.json')];
const question = questions.find((q) => q.name === name);
const text = (s) => `'${s.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

query(`INSERT INTO FUNCTION file(${text(out)}, 'CSVWithNames')
       WITH t AS (SELECT * FROM file(${text(file)}, '${file.endsWith('.ndjson') ? 'JSONEachRow' : 'CSVWithNames'}'))
       ${question.chdb ?? question.sql}
       SETTINGS max_threads=${Number(process.env.BENCH_THREADS)}, max_insert_threads=1,
                engine_file_truncate_on_insert=1`, 'CSV');
