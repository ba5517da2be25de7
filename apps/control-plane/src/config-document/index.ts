export * from './config-document.module.ts'
