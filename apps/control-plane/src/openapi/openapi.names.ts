import type { ResourceDefinition } from '../jsonapi/index.ts'

/** Names in the description: `ApiKey` for the type `api_keys`, `api key` in sentences. */

export function schemaName(definition: ResourceDefinition): string {
  return pascalCase(singular(definition.type))
}

export function pascalCase(text: string): string {
  return text
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('')
}

export function singular(plural: string): string {
  return plural.replace(/ies$/, 'y').replace(/s$/, '')
}

export function words(name: string): string {
  return name.replaceAll(/[_-]/g, ' ')
}

export function aWord(name: string): string {
  return `${/^([aeio]|up)/.test(name) ? 'an' : 'a'} ${words(name)}`
}

export function ref(kind: 'schemas' | 'parameters' | 'responses' | 'headers', name: string): { $ref: string } {
  return { $ref: `#/components/${kind}/${name}` }
}
