-- The role that the service works with on PostgreSQL. It owns nothing: it cannot change
-- or delete a line of what is recorded, cannot empty a table, and cannot take a trigger
-- away.
--
--   psql "$OWNER_URL" -v ON_ERROR_STOP=1 -f deploy/roles.sql
--
-- Run it as the owner of the tables, after the first migration and after each one that
-- makes a table; it may be run again. `flask db grant ROLE` does the same for any name,
-- and `flask db grant ROLE --sql` wrote this file. A new role has no password:
-- \password in psql gives it one.

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'allo_service') THEN
        CREATE ROLE allo_service LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;

GRANT USAGE ON SCHEMA public TO allo_service;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO allo_service;

GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO allo_service;

REVOKE EXECUTE ON FUNCTION summarise_moments() FROM PUBLIC;

REVOKE EXECUTE ON FUNCTION make_turn_day(date) FROM PUBLIC;

REVOKE EXECUTE ON FUNCTION drop_turn_day(date, timestamptz) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION summarise_moments() TO allo_service;

GRANT EXECUTE ON FUNCTION make_turn_day(date) TO allo_service;

GRANT EXECUTE ON FUNCTION drop_turn_day(date, timestamptz) TO allo_service;

REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM allo_service;

REVOKE UPDATE, DELETE ON history, trace_cut, trace_anchor FROM allo_service;

REVOKE UPDATE ON staff_act, trace_link FROM allo_service;

ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO allo_service;

ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO allo_service;

ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO allo_service;

ALTER ROLE allo_service SET statement_timeout = 4000;
