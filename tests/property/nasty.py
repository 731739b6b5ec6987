"""Text that means something to somebody on its way: to a shell, YAML, a URL, an option of Proxmox VE, a terminal."""

SHELL = (
    "'",
    '"',
    "`id`",
    "$(touch /tmp/pwned)",
    "; touch /tmp/pwned",
    "&& id",
    "| id",
    "> /tmp/pwned",
    "\\",
    "!!",
    "~",
    "*",
)
YAML = (
    "a: b",
    "a #b",
    "ends:",
    "- a",
    "{a: b}",
    "[a]",
    "&a",
    "*a",
    "!!python/name:os.system",
    "null",
    "#cloud-config",
    "---",
)
OPTIONS = ("a,b=c", "uuid=x", "a;b", "=", "%0a", "%27", "%", "../../etc/passwd", "{{vmid}}", "<b>", "sshkeys: x")
LINES = ("a\nruncmd: [id]", "a\r\nb", "a\tb", "\u2028", "\u0085")
CONTROL = ("\x00", "a\x1b[2J", "\x7f", "\ud800")
UNICODE = ("é", "ß𝕏", "😀", "\u202eabc", "ﬀ", "e\u0301", "\ufeff")
LENGTHS = ("", " ", "x" * 300, "x" * 70_000)

NASTY = (*SHELL, *YAML, *OPTIONS, *LINES, *CONTROL, *UNICODE, *LENGTHS)
IN_URLS = ("'", "$(id)", "a: b", "\x00", "a\nb", "../..", "%2e%2e", "😀", "x" * 300)
