import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { admissionStages } from './index.ts'
import { forward } from './stages/forward.ts'
import { meter } from './stages/meter.ts'
import { record } from './stages/record.ts'
import { transformResponse } from './stages/transform-response.ts'

test('docs/proxy.md lists the stages in their order', () => {
  const text = readFileSync(new URL('../../../../docs/proxy.md', import.meta.url), 'utf8')
  const documented = [...text.matchAll(/^\d+\. \*\*([a-z ]+)\*\*/gm)].map(([, name]) => name)
  const stages = [...admissionStages, forward, transformResponse, meter, record]
  const names = stages.map((stage) => stage.name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`))
  expect(documented).toEqual(names)
})
