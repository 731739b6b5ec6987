-- A console ends with the right to it, so that it knows who asked: with a key, or signed in, for an account or a team.
-- Tickets that are out have seconds left; whoever has one asks again.
delete from console_tickets;
alter table console_tickets
    add column account_id uuid not null,
    add column team_id uuid,
    add column key_prefix text not null,
    add column session_id uuid;
