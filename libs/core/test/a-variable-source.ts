import type { PlainVariable, VariableSource } from '../src/transforms/index.ts'

interface Values {
  plain?: Partial<Record<PlainVariable, string>>
  headers?: Record<string, string>
  query?: Record<string, string>
  params?: Record<string, string>
}

/** Variables of a request; name those that the test is about. */
export function aVariableSource({ plain = {}, headers = {}, query = {}, params = {} }: Values = {}): VariableSource {
  return {
    plain: (name) => plain[name],
    header: (name) => headers[name],
    query: (name) => query[name],
    param: (name) => params[name],
  }
}
