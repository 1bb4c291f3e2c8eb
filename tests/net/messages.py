# SPDX-License-Identifier: GPL-3.0-or-later
"""What the programs say when something is wrong, as their sources have it and
as the manuals have it; and whether it tells a person what to do."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONVERSION = r"%[-+ #0]*[\d*]*(?:\.[\d*]+)?(?:hh|h|ll|l|z|j|t)?[a-zA-Z]"
STRING = r'"(?:[^"\\]|\\.)*"'
TOKEN = re.compile(STRING + r"""|'(?:[^'\\]|\\.)'|[(),]|[^"'(),]+""")
ADJACENT = re.compile(r"(?:(?:%s|\b(?:PRI|SCN)\w+)\s*)+" % STRING)


def code(path):
    """A source, with blanks for its comments."""
    return re.sub(r"%s|//[^\n]*|/\*.*?\*/" % STRING, lambda m: m.group()
                  if m.group()[0] == '"' else re.sub(r"[^\n]", " ", m.group()),
                  path.read_text(), flags=re.S)


def strings(text):
    """Adjacent literals are one."""
    for m in ADJACENT.finditer(text):
        parts = re.findall(STRING, re.sub(r"\b(?:PRI|SCN)\w+", '"d"',
                                          m.group()))
        if '"' in m.group():
            yield "".join(p[1:-1] for p in parts).replace(
                '\\"', '"').replace("\\n", " ")


def arguments(text, at):
    """Of the call whose parenthesis opens there."""
    found, depth = [""], 0
    for m in TOKEN.finditer(text, at):
        token = m.group()
        depth += (token == "(") - (token == ")")
        if not depth:
            break
        if token == "," and depth == 1:
            found.append("")
        elif token != "(" or depth > 1:
            found[-1] += token
    return [" ".join(a.split()) for a in found]


def calls(pattern, *names):
    """(file:line, arguments) of each call of one of these functions."""
    for path in sorted(p for p in (ROOT / "syncd").rglob(pattern)
                       if p.suffix in (".c", ".y", ".l")):
        text = code(path)
        for m in re.finditer(r"\b(?:%s)(?=\()" % "|".join(names), text):
            yield ("%s:%d" % (path.name, text.count("\n", 0, m.start()) + 1),
                   arguments(text, m.end()))


def literals(args):
    return [s for a in args for s in strings(a)]


def wordless(text):
    """It hands on another's words."""
    text = re.sub(CONVERSION, "", re.sub(r"^statesyncd?: ", "", text))
    return not re.search("[a-z]{3}", text)


def only_hands_on(args):
    return wordless("".join(literals(args))) and not re.search(
        "errno|strerror", "".join(args))


def logged():
    """(file:line, format, all strings of the call) of each message of error
    or warning in the log."""
    for name, level, words in (("log_msg", 0, r"LOG_(?:ERR|WARNING)\b"),
                               ("engine_log", 1, r"LEVEL_(?:ERR|WARNING)\b")):
        for where, args in calls("*", name):
            if re.search(words, args[level]) and args[level + 1][0] == '"' \
                    and not only_hands_on(args):
                found = literals(args[level + 1:])
                text = found[0] if not wordless(found[0]) else max(
                    found, key=len)
                yield where, text, " ".join(found)


# What the sentences of a refusal are written to.
SENTENCE = re.compile(r"why|(?:v->)?sentence|r->text")
SUCCESS = re.compile(r"PASSED|.*: in use now;|key %s")


def answered():
    """(file:line, text) of each refusal of the socket, of the tool and of the
    programs' command lines."""
    found = [(where, [a]) for where, args in calls(
        "*", "statsock_end", "put_status") for a in args[2:]
             if args[1] != "STATS_OK"]
    found += [(where, [a]) for where, args in calls(
        "statsock*.c", "refuse", "refuse_line") for a in args]
    found += [(where, args[2:]) for where, args in calls(
        "commands*.c", "snprintf") if SENTENCE.fullmatch(args[0])]
    found += [(where, args[2:]) for where, args in calls(
        "node_reload.c", "snprintf") if args[1] == "NODE_RELOAD_TEXT"]
    found += [(where, args) for where, args in calls("*", "fprintf", "fputs")
              if "stderr" in (args[0], args[-1])]
    for where, args in found:
        # each of what may stand there
        for text in literals(args) if len(args) == 1 else [
                " ".join(literals(args))]:
            if not SUCCESS.match(text) and not (
                    wordless(text) and "errno" not in "".join(args)):
                yield where, text


def mistakes():
    """(file:line, text) of what may be wrong with a file."""
    found = [(where, args[2:]) for where, args in calls(
        "*", "conf_mistake", "policy_mistake")]
    found += [(where, args[2:]) for where, args in calls(
        "*file.c", "snprintf") if args[0] == "why"]
    for where, args in found:
        if literals(args) and not only_hands_on(args):
            yield where, " ".join(literals(args))


def characteristic(text):
    """What to look for: the first words between what varies that are enough
    to know it by. Empty if all of it varies."""
    pieces = [p.strip(' ":;.,()') for p in
              re.split(CONVERSION + r"|[;:]|\. ", text)]
    return next((p for p in pieces if len(p) >= 12), max(pieces, key=len))


def plain(mdoc):
    """A manual's words, without its macros."""
    text = re.sub(r'^\.\\".*$', "", mdoc, flags=re.M)
    text = re.sub(r"^\.(?:Ic|Sx|Xr|Va|Ql|Pa|Cm|Pq|Dq|Fl|Ar) ", "", text,
                  flags=re.M)
    return " ".join(text.replace("\\&", "").replace('""', '"').split())


def entries(diagnostics):
    """(the messages, what is said of them) of a section DIAGNOSTICS."""
    messages = []
    for part in re.split(r"^\.It ", diagnostics, flags=re.M)[1:]:
        first, _, rest = part.partition("\n")
        messages.append(plain(first))
        if rest.strip():
            yield " ".join(messages), plain(rest)
            messages = []


# A person is given a command, is told what to do, or that nothing is to be
# done.
COMMANDS = re.compile(
    r"(?:^|[ '(])(?:adduser|apt install|chmod|chown|df|free -m|ip (?:link|route"
    r"|rule|address)|journalctl|ls|mkdir|modprobe|nft|openssl|ping|rm|ss -|sudo"
    r"|sysctl|systemctl|systemd-sysusers|tcpdump|remdiff|statesync (?:bulk|carp"
    r"|check|drill|flows|genkey|handover|help|history|maintenance|reload|status"
    r"|verify|wait))\b(?!:)|^usage: |see [A-Z][A-Z ]{7}|\(7\), [A-Z ]{8}")
DO = re.compile(
    r"(?:^|[;:.,(] (?:or |and |then |else )?)(?:add|again|ask|boot|bring|change"
    r"|choose|close|connect|copy|correct|declare|define|end|find|free|give|hand "
    r"over|have|install|join|keep|leave|look|lower|make|name|put|raise|read|"
    r"reload|remove|resolve|restart|run|see|send|set|split|start|stop|take|tell|"
    r"try|upgrade|use|wait|write)\b|\w takes |did you mean|[,;] here:|; help "
    r"lists|and what to do|with what to do|[;.] %s *$", re.I)
NOTHING = re.compile(r"tried again|by itself|nothing (?:else|is to be done)|"
                     r"nothing is lost|comes back|is as it should be", re.I)


def advises(text):
    text = re.sub(r"^statesyncd?: ", "", text)
    return any(words.search(text) for words in (COMMANDS, DO, NOTHING))
