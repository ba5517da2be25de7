import { expect, test } from 'vitest'
import { withoutValues } from './redacted.query.ts'

test.each([
  ['', ''],
  ['page=2&api_key=sesame', 'page=REDACTED&api_key=REDACTED'],
  ['a=b=c&&d=', 'a=REDACTED&&d=REDACTED'],
  ['sesame', 'REDACTED'],
  [`ak_${'0123456789abcdef'.repeat(4)}=1`, 'ak_[redacted]=REDACTED'],
])('of the query %j only the names are shown', (query, shown) => {
  expect(withoutValues(query)).toBe(shown)
})
