-- name: server_time
-- The clock by which everybody measures who shares rows with others.
select clock_timestamp() as now;
