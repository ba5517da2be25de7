export * from './target.guard.ts'
