// duckdb.mjs FILE QUESTION OUT: a question of questions.json, shapes.json or splits.json by DuckDB, CSV (or NDJSON) to CSV.
// BENCH_MODULES is the node_modules folder, BENCH_THREADS the number of threads.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const require = createRequire(`${process.env.BENCH_MODULES}/`);
const { DuckDBInstance } = require('@duckdb/node-api');

const [file, name, out] = process.argv.slice(2);
const list = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url)));
const questions = [...list('questions.json'), ...list('shapes.json'), ...list('splits.json')];
const question = questions.find((q) => q.name === name);
const text = (s) => `'${s.replaceAll("'", "''")}'`;

const reader = file.endsWith('.ndjson') ? 'read_ndjson' : 'read_csv';

const instance = await DuckDBInstance.create(':memory:');
const connection = await instance.connect();
await connection.run(`SET threads=${Number(process.env.BENCH_THREADS)}`);
await connection.run(`SET temp_directory=${text(`${out}.tmp`)}`);
await connection.run(`CREATE VIEW t AS FROM ${reader}(${text(file)})`);
await connection.run(`COPY (${question.sql}) TO ${text(out)} (${question.copy ?? 'HEADER'})`);
