import { expect, test } from 'vitest'
import { databaseProblem } from './database-problem.ts'

test.each(['53100', '53200', '53300', '25006', '57P03', '08006'])(
  'a database that says %s cannot serve now, whoever asked',
  (state) => {
    const ofPrisma = { code: 'P2010', meta: { driverAdapterError: { cause: { originalCode: state } } } }
    expect(databaseProblem(ofPrisma)).toEqual({ kind: 'unavailable' })
    expect(databaseProblem({ code: state })).toEqual({ kind: 'unavailable' })
  },
)

test('a mistake of our own is no outage', () => {
  expect(databaseProblem({ code: '42601' })).toBeNull()
})
