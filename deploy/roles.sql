-- The role that the service works with on PostgreSQL. It owns nothing: it cannot change or delete a
-- line of what is recorded, cannot empty a table, and cannot take a trigger away.
--
--   psql "$OWNER_URL" -v ON_ERROR_STOP=1 -f deploy/roles.sql
--
-- Run it as the owner of the tables, after the first migration and after each one that makes a
-- table; it may be run again. Then make one account for each installation and give its address as
-- DATABASE_URL; `flask migrate` alone gets the owner's:
--
--   CREATE ROLE allo LOGIN PASSWORD '…' IN ROLE allo_service;

DO $$
BEGIN
    CREATE ROLE allo_service NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO allo_service;

-- What the service works with.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO allo_service;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO allo_service;

-- How far the database is migrated is for the owner to say.
REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM allo_service;

-- What is recorded is only added to. Acts and their links are deleted once they are a year old:
-- the triggers refuse that of any younger one.
REVOKE UPDATE, DELETE ON history, trace_cut, trace_anchor FROM allo_service;
REVOKE UPDATE ON staff_act, trace_link FROM allo_service;
