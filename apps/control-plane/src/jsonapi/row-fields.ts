import { camelCase } from './definition.ts'

type CamelCase<S extends string> = S extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<CamelCase<Tail>>}` : S

/** The columns of an input class: the same members under the names that rows have. */
export type RowFields<T> = { [K in keyof T as K extends string ? CamelCase<K> : never]: T[K] }

/** Members that were not sent stay undefined, which Prisma leaves alone. */
export function rowFields<T extends object>(input: T): RowFields<T> {
  return Object.fromEntries(Object.entries(input).map(([name, value]) => [camelCase(name), value])) as RowFields<T>
}
