/**
 * `request_transform` and `response_transform`: changes of headers, query and JSON body, some of them on conditions.
 *
 * Algorithm: a transform is compiled once, by the control plane before it stores one and by every worker; for an exchange
 * its parts are selected once, then each kind of change runs over its headers, its query or its parsed body. Within one
 * part the order is: rename, remove, set, add, mask, wrap.
 *
 * Bounds: 100 changes in all, paths of 32 steps, values of 4,096 characters with 16 variables. A body is copied at most
 * once, whatever the number of changes; each change costs the part of the body that its path names.
 *
 * Failure: everything that is wrong with a transform is named with its place. When one runs, nothing can fail: what a
 * path does not find is not changed, a variable without a value is empty, and no value can become a second header.
 */
export { changeBody, type BodyChanges } from './body-changes.ts'
export { changeHeaders, type HeaderChanges } from './header-changes.ts'
export { parseJsonText, type ParsedJson } from './json-text.ts'
export { changeQuery, decodeFormText, type QueryChanges } from './query-changes.ts'
export { compileTransform, type Transform, type TransformPart } from './transform.ts'
export type { TransformProblem } from './transform-problem.ts'
export type { PlainVariable, TransformScope, VariableSource } from './variables.ts'
