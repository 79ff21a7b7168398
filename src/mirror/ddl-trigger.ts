import { createHash } from 'node:crypto'
import pg from 'pg'
import { queryRows } from './connection'
import type { Finding } from './table-findings'

/** Begins the messages that the trigger writes into the log. */
export const DDL_PREFIX = 'snapheap_ddl'

/** Commands after which a mirrored table may be another one. */
const TAGS = [
  'ALTER TABLE',
  'CREATE TABLE',
  'CREATE TABLE AS',
  'SELECT INTO',
  'DROP TABLE',
  'ALTER INDEX',
  'DROP INDEX',
  'ALTER TYPE',
  'DROP TYPE',
  'ALTER DOMAIN',
  'DROP DOMAIN',
  'ALTER SCHEMA',
  'DROP SCHEMA',
  'DROP OWNED',
  'ALTER PUBLICATION',
  'DROP PUBLICATION',
]

const LONGEST_SLOT = 63 - 'snapheap_ddl_'.length

interface TriggerState {
  isThere: boolean
  isSuperuser: boolean
}

/**
 * Name of event trigger and function, which the mirror with this slot has for itself: names of the server have 63 bytes
 * at most.
 */
function triggerName(slot: string): string {
  if (slot.length <= LONGEST_SLOT) return `snapheap_ddl_${slot}`
  const hash = createHash('sha256').update(slot).digest('hex').slice(0, 8)
  return `snapheap_ddl_${slot.slice(0, LONGEST_SLOT - 9)}_${hash}`
}

/**
 * SQL that makes the trigger. Its function writes a message into the log, within the transaction of the command, and
 * never raises. It writes none for temporary tables.
 */
function ddlTriggerSql(slot: string): string {
  const name = pg.escapeIdentifier(triggerName(slot))
  const tags = TAGS.map((tag) => pg.escapeLiteral(tag)).join(', ')
  return `CREATE OR REPLACE FUNCTION public.${name}() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF tg_tag LIKE 'CREATE TABLE%' AND NOT EXISTS (
    SELECT FROM pg_event_trigger_ddl_commands() WHERE schema_name IS DISTINCT FROM 'pg_temp'
  ) THEN RETURN; END IF;
  PERFORM pg_logical_emit_message(true, '${DDL_PREFIX}', tg_tag);
EXCEPTION WHEN OTHERS THEN NULL;
END $$;
CREATE EVENT TRIGGER ${name} ON ddl_command_end WHEN TAG IN (${tags}) EXECUTE FUNCTION public.${name}();`
}

/** SQL that removes it. */
function dropDdlTriggerSql(slot: string): string {
  const name = pg.escapeIdentifier(triggerName(slot))
  return `DROP EVENT TRIGGER IF EXISTS ${name}; DROP FUNCTION IF EXISTS public.${name}();`
}

/** Why the trigger can neither be found nor made. */
export async function ddlTriggerFindings(client: pg.Client, slot: string): Promise<Finding[]> {
  const { isThere, isSuperuser } = await readState(client, slot)
  if (isThere || isSuperuser) return []
  return [
    {
      problem: 'the option ddlTrigger needs an event trigger, which only a superuser may create',
      remedy: `${ddlTriggerSql(slot)} -- as a superuser; or leave ddlTrigger out`,
    },
  ]
}

export async function ensureDdlTrigger(client: pg.Client, slot: string): Promise<void> {
  const { isThere } = await readState(client, slot)
  if (!isThere) await queryRows(client, 'creating the event trigger failed', ddlTriggerSql(slot))
}

/** Removes the trigger, where there is one that this role owns. */
export async function dropDdlTrigger(client: pg.Client, slot: string): Promise<void> {
  const [owned] = await queryRows(
    client,
    'reading the event triggers failed',
    `SELECT 1 FROM pg_catalog.pg_event_trigger
     WHERE evtname = ${pg.escapeLiteral(triggerName(slot))} AND pg_has_role(evtowner, 'USAGE')`,
  )
  if (owned !== undefined) await queryRows(client, 'dropping the event trigger failed', dropDdlTriggerSql(slot))
}

async function readState(client: pg.Client, slot: string): Promise<TriggerState> {
  const [state] = await queryRows<TriggerState>(
    client,
    'reading the event triggers failed',
    `SELECT r.rolsuper OR EXISTS (
              SELECT FROM pg_catalog.pg_roles m -- how hosted servers hand out the right
              WHERE m.rolname IN ('rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin')
                AND pg_has_role(r.oid, m.oid, 'MEMBER')
            ) AS "isSuperuser",
            EXISTS (
              SELECT FROM pg_catalog.pg_event_trigger
              WHERE evtname = ${pg.escapeLiteral(triggerName(slot))} AND evtenabled <> 'D'
            ) AS "isThere"
     FROM pg_catalog.pg_roles r WHERE r.rolname = current_user`,
  )
  return state!
}
