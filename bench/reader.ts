import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Questions } from './reader-program'

/** A thread or process that follows a database and answers questions, one at a time. */
export interface Reader {
  ask<Q extends keyof Questions>(question: Q, asked: Questions[Q]['asked']): Promise<Questions[Q]['answered']>
  end(): Promise<void>
}

export async function startReader(kind: 'worker' | 'process', path: string, isUnsynced = false): Promise<Reader> {
  const { program } = await import('./reader-program')
  const argv = isUnsynced ? [path, 'unsynced'] : [path]
  const peer = kind === 'worker' ? new Worker(program, { argv }) : fork(program, argv)
  const exited = once(peer, 'exit')
  return {
    async ask(question, asked) {
      const answered = once(peer, 'message')
      if (peer instanceof Worker) peer.postMessage({ question, asked })
      else peer.send({ question, asked })
      const ended = exited.then(() => {
        throw new Error(`A reading ${kind} ended without an answer.`)
      })
      const [answer] = await Promise.race([answered, ended])
      return answer
    },
    async end() {
      if (peer instanceof Worker) await peer.terminate()
      else peer.disconnect()
      await exited
    },
  }
}
