import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parseAllDocuments } from 'yaml'

/** A Kubernetes object as its manifest says it. */
export interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string; labels?: Record<string, string> }
  spec: any
  data?: Record<string, string>
  stringData?: Record<string, string>
}

export const root = path.resolve(import.meta.dirname, '../..')

/**
 * The longest that a process takes to end: APIGATE_DRAIN_SECONDS (10), APIGATE_FINISH_SECONDS (15), then the steps that follow,
 * each with its own bound, telemetry (3) last.
 */
export const endSecondsOf: Record<string, number> = {
  api: 10 + 15 + 5 + 3,
  jobs: 12 + 3,
  proxy: 10 + 15 + 2 + 2 + 5 + 5 + 3,
}

/** Every object in the YAML files that match, in files' order. */
export function manifestsIn(pattern: string): Manifest[] {
  return globSync(pattern, { cwd: root })
    .toSorted()
    .flatMap((file) => parsed(readFileSync(path.join(root, file), 'utf8')))
}

/** What kubectl makes of a folder; null where there is no kubectl. */
export function rendered(folder: string): Manifest[] | null {
  const { error, status, stdout, stderr } = spawnSync('kubectl', ['kustomize', folder], { cwd: root, encoding: 'utf8' })
  if (error !== undefined) return null
  if (status !== 0) throw new Error(stderr)
  return parsed(stdout)
}

function parsed(text: string): Manifest[] {
  return parseAllDocuments(text, { merge: true }).map((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0]
    return document.toJS() as Manifest
  })
}
