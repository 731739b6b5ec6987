-- Whether a host's data center lets firewall rules act; null until it was asked.
alter table hosts add column firewall boolean;
