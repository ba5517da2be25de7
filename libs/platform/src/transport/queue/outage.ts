/** SQLSTATE classes: connection, transaction rollback (deadlock), resources, operator intervention (shutdown). */
const outageState = /^(08|40|53|57)[0-9A-Z]{3}$/
const outageCode =
  /^(ECONN|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|P1001|P1002|P1008|P1017|P2024|P2028|P2034)/
const outageMessage = /connection terminated|timeout exceeded when trying to connect|query read timeout|not queryable/i

/**
 * Whether an error says that a dependency is away, and nothing about the work: then trying again later is right, however
 * often. Looks through `cause`.
 */
export function isOutage(error: unknown): boolean {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    const code = 'code' in at ? String(at.code) : ''
    if (outageState.test(code) || outageCode.test(code) || outageMessage.test(at.message)) return true
  }
  return false
}
