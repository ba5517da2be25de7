import type { Manifest } from './manifests.ts'

type Validator = new (data: object) => { validate(): void }

const groups: Record<string, () => Promise<object>> = {
  v1: () => import('kubernetes-models/v1'),
  'apps/v1': () => import('kubernetes-models/apps/v1'),
  'autoscaling/v2': () => import('kubernetes-models/autoscaling/v2'),
  'batch/v1': () => import('kubernetes-models/batch/v1'),
  'monitoring.coreos.com/v1': () => import('@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1'),
  'networking.k8s.io/v1': () => import('kubernetes-models/networking.k8s.io/v1'),
  'policy/v1': () => import('kubernetes-models/policy/v1'),
}

/** What the published schema of its kind has against a manifest, members that it does not know among it. */
export async function schemaProblems(manifest: Manifest): Promise<string[]> {
  const { apiVersion, kind, metadata } = manifest
  const group = (await groups[apiVersion]?.()) as Record<string, Validator> | undefined
  const Kind = group?.[kind]
  if (Kind === undefined) return [`${kind} ${metadata.name}: there is no schema of ${apiVersion}`]
  const asked = new Set<string>()
  const problems: string[] = []
  try {
    const checked = new Kind({})
    Object.assign(checked, watched(manifest, '', asked))
    checked.validate()
  } catch (error) {
    problems.push(String(error))
  }
  // The schemas take members that they do not know: those are the ones that they never ask for.
  for (const member of membersOf(manifest)) if (!asked.has(member)) problems.push(`unknown member ${member}`)
  return problems.map((problem) => `${kind} ${metadata.name}: ${problem}`)
}

function watched(value: unknown, at: string, asked: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value
  return new Proxy(value, {
    get(target, name) {
      const found: unknown = Reflect.get(target, name)
      if (typeof name !== 'string') return found
      asked.add(`${at}/${name}`)
      return typeof found === 'function' ? found : watched(found, `${at}/${name}`, asked)
    },
  })
}

function membersOf(value: unknown, at = ''): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, member]) => [`${at}/${name}`, ...membersOf(member, `${at}/${name}`)])
}
