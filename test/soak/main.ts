import { parseArgs } from 'node:util'
import { runSoak } from './soak.ts'

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } })
const minutes = Number(values.minutes)
if (!(minutes > 0)) {
  console.error('Usage: npm run soak -- [--minutes N]')
  process.exit(2)
}
const problems = await runSoak(minutes, (line) => console.log(line))
for (const line of problems) console.error(`PROBLEM: ${line}`)
console.log(problems.length === 0 ? 'everything is accounted for' : `${problems.length} problems`)
process.exit(problems.length === 0 ? 0 : 1)
