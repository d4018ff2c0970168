// polars.mjs FILE QUESTION OUT: a question of questions.json or shapes.json by Polars, CSV to CSV.
// BENCH_MODULES is the node_modules folder; POLARS_MAX_THREADS bounds the threads.
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.BENCH_MODULES}/`);
const pl = require('nodejs-polars');

const [file, name, out] = process.argv.slice(2);
const col = pl.col;
const by = (...keys) => ({ agg: (...aggs) => (t) => t.groupBy(keys).agg(...aggs) });

const questions = {
  q1: by('id1').agg(col('v1').sum()),
  q2: by('id1', 'id2').agg(col('v1').sum()),
  q3: by('id3').agg(col('v1').sum(), col('v3').mean()),
  q4: by('id4').agg(col('v1').mean(), col('v2').mean(), col('v3').mean()),
  q5: by('id6').agg(col('v1').sum(), col('v2').sum(), col('v3').sum()),
  q6: by('id4', 'id5').agg(col('v3').median().as('median'), col('v3').std().as('std')),
  q7: by('id3').agg(col('v1').max().sub(col('v2').min()).as('range')),
  q8: (t) => {
    const largest = col('v3').sort(true).head(2);
    return t.groupBy(['id6']).agg(largest.first().as('v3_1'),
                                  largest.slice(1, 1).first().as('v3_2'));
  },
  q9: by('id2', 'id4').agg(pl.pearsonCorr('v1', 'v2').pow(2).as('r2')),
  q10: by('id1', 'id2', 'id3', 'id4', 'id5', 'id6').agg(col('v3').sum(),
                                                        col('v1').count().as('count')),
  filter: (t) => t.filter(col('v3').lt(50)),
  sort: (t) => t.sort([col('id1'), col('v3')]),
  plain: by('id1').agg(col('v1').sum()),
  quoted: by('id1').agg(col('v1').sum()),
  ndjson: by('id1').agg(col('v1').sum()),
  wide: by('c063').agg(col('c149').sum()),
  short: by('a').agg(col('b').sum()),
  keys40: by('key').agg(col('v').sum()),
  zipf: by('id').agg(col('v1').sum(), col('v2').sum()),
};

const answer = await questions[name](file.endsWith('.ndjson') ? pl.scanJson(file) : pl.scanCSV(file)).collect();
answer.writeCSV(out);
