import { parseArgs } from 'node:util'
import { runChaos } from './chaos.ts'
import { faults } from './faults/faults.mjs'

const { values } = parseArgs({
  options: { seed: { type: 'string' }, kills: { type: 'string', default: '20' }, break: { type: 'string' } },
})
const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed)
const kills = Number(values.kills)
const fault = values.break ?? null
const isFault = fault === null || Object.hasOwn(faults, fault)
if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(kills) || kills < 0 || !isFault) {
  console.error(`Usage: npm run chaos -- [--seed N] [--kills N] [--break ${Object.keys(faults).join('|')}]`)
  process.exit(2)
}
console.log(`seed ${seed}, ${kills} kills${fault === null ? '' : `, with a broken ${fault}`}`)
const { hits, rows, limits, differences } = await runChaos({ seed, kills, fault, say: (line) => console.log(line) })
console.table(hits)
console.table(rows)
console.table(limits)
for (const line of differences) console.error(`DIFFERENCE: ${line}`)
const isSound = differences.length === 0
console.log(isSound ? 'everything adds up' : `${differences.length} differences`)
if (fault !== null) console.log(isSound ? `the broken ${fault} was NOT found` : `the broken ${fault} was found`)
process.exit(isSound === (fault === null) ? 0 : 1)
