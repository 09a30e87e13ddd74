"""Finds the derivative rules in the text of engine/ops/*.cpp and the faults that each can have.

A rule is a function or lambda that takes a Pullback, or a helper in such a file that returns a Var.
Faults are found by the form of the text, so a new operation has its faults without any work here.
A fault that does not compile is no fault; the run leaves it out of the count.
"""
import bisect
import dataclasses
import re

TOKEN = re.compile(r"""
    (?P<blank>\s+|//[^\n]*)
  | (?P<number>\d+\.?\d*(?:e[-+]?\d+)?)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<mark>::|->|==|!=|<=|>=|&&|\|\||[-+*/%!=<>&?:;,.(){}\[\]])
  | (?P<other>.)
""", re.VERBOSE)
OPEN, CLOSE = {"(": ")", "[": "]", "{": "}"}, {")", "]", "}"}

FUNCTION = re.compile(r"^(Cotangents|Var|double) (\w+)\(([^)]*)\) \{", re.MULTILINE)
LAMBDA = re.compile(r"\[\]\(const Pullback& p\) -> Cotangents \{")
RECORD = re.compile(r"^const OpDef (\w+)_def\b", re.MULTILINE)

COMMUTATIVE = {"add", "mul", "dot", "sum_product_to", "product_like", "max", "min"}
# Function -> arguments that it reads nothing of but their shape: hiding their derivative changes
# nothing, and swapping them with the value does not make sense.
SHAPE_ONLY = {"sum_like": {1}, "sum_leading": {1}, "product_like": {2}, "sum_to": {1},
              "broadcast_to": {1}, "reshape": {1}, "common_axes": {0, 1}}
NO_VALUE = re.compile(r"(p\.)?where|-?[\d.]+|last|rows|first")
# Left out: not functions of values, or the conversion of numbers.
NO_FUNCTION = {"if", "for", "while", "return", "double", "int", "Cotangents", "back", "size_t",
               "push_back", "fail_at", "fmt", "format"}


@dataclasses.dataclass(frozen=True)
class Fault:
    file: str
    rule: str
    kind: str
    line: int
    before: str
    after: str
    begin: int  # the text from begin to end is replaced
    end: int
    body: tuple[int, int]  # of the rule
    count: int = 0  # which of several equal ones in its rule

    def key(self) -> str:
        nth = f" #{self.count + 1}" if self.count else ""
        return f"{self.file} {self.rule}: {self.kind}: {self.before} -> {self.after}{nth}"

    def faulty_body(self, text: str) -> str:
        return text[self.body[0]:self.begin] + self.after + text[self.end:self.body[1]]


def closing(text: str, at: int) -> int:
    """The bracket that closes the one at `at`."""
    depth = 0
    for k in range(at, len(text)):
        depth += (text[k] in OPEN) - (text[k] in CLOSE)
        if depth == 0:
            return k
    raise ValueError(f"a bracket is open: {text[at:at + 40]}")


def rules(text: str) -> list[tuple[str, int, int]]:
    """(name, begin and end of the body) of each derivative rule in a file of engine/ops/."""
    found = []
    private = text.find("\nnamespace {"), text.find("}  // namespace\n")
    for match in FUNCTION.finditer(text):
        begin = match.end() - 1
        end = closing(text, begin)
        is_rule = "Pullback&" in match[3]
        helps = (match[1] == "Var" and "push(" not in text[begin:end]
                 and (private[0] < match.start() < private[1] or match[2] == "sum_like"))
        if is_rule or helps:
            found.append((match[2], begin + 1, end))
    records = [(match.start(), match[1]) for match in RECORD.finditer(text)]
    for match in LAMBDA.finditer(text):
        begin = match.end() - 1
        owner = records[bisect.bisect(records, (match.start(), "")) - 1][1]
        found.append((owner, begin + 1, closing(text, begin)))
    return found


def operations(text: str) -> list[str]:
    return [match[1] for match in RECORD.finditer(text)]


class Rule:
    """The tokens of one rule, and the faults found among them."""

    def __init__(self, file: str, name: str, text: str, begin: int, end: int):
        self.file, self.name, self.text = file, name, text
        self.begin, self.end = begin, end
        self.tokens = []  # (text, begin, end) without blanks
        for match in TOKEN.finditer(text, begin, end):
            if match.lastgroup != "blank":
                self.tokens.append((match[0], match.start(), match.end()))
        self.partner = {}
        stack = []
        for k, (word, _, _) in enumerate(self.tokens):
            if word in OPEN:
                stack.append(k)
            elif word in CLOSE:
                self.partner[k] = stack[-1]
                self.partner[stack.pop()] = k
        self.found: list[Fault] = []
        self.shape_only: set[int] = set()  # tokens inside of such arguments
        self.calls = self.find_calls()

    def word(self, k: int) -> str:
        return self.tokens[k][0] if 0 <= k < len(self.tokens) else ""

    def span(self, first: int, last: int) -> str:
        return self.text[self.tokens[first][1]:self.tokens[last][2]]

    def add(self, kind: str, first: int, last: int, after: str):
        begin, end = self.tokens[first][1], self.tokens[last][2]
        before = self.text[begin:end]
        if before == after:
            return
        count = sum(f.kind == kind and f.before == before and f.after == after for f in self.found)
        self.found.append(Fault(self.file, self.name, kind, self.text.count("\n", 0, begin) + 1,
                                before, after, begin, end, (self.begin, self.end), count))

    def split(self, opening: int) -> list[tuple[int, int]]:
        """First and last token of each part between commas; the brackets begin at `opening`."""
        parts, first, k = [], opening + 1, opening + 1
        while k < self.partner[opening]:
            if self.word(k) in OPEN:
                k = self.partner[k]
            elif self.word(k) == ",":
                parts.append((first, k - 1))
                first = k + 1
            k += 1
        if first < self.partner[opening]:
            parts.append((first, self.partner[opening] - 1))
        return parts

    def find_calls(self):
        calls = []
        for k in range(len(self.tokens) - 1):
            name = self.word(k)
            if (self.word(k + 1) == "(" and re.fullmatch(r"[a-z]\w*", name)
                    and name not in NO_FUNCTION and self.word(k - 1) not in (".", "Var")):
                arguments = self.split(k + 1)
                calls.append((name, k, self.partner[k + 1], arguments))
                for index in SHAPE_ONLY.get(name, ()):
                    if index < len(arguments):
                        self.shape_only.update(range(arguments[index][0], arguments[index][1] + 1))
        return calls

    def primary_before(self, k: int) -> int:
        """First token of the operand that ends at token k."""
        while True:
            if self.word(k) in CLOSE:
                k = self.partner[k]
                if re.fullmatch(r"\w+", self.word(k - 1)) or self.word(k - 1) in CLOSE:
                    k -= 1
                    continue
            if self.word(k - 1) in (".", "::", "->"):
                k -= 2
                continue
            return k

    def primary_after(self, k: int) -> int:
        """Last token of the operand that begins at token k."""
        if self.word(k) in ("-", "!"):
            return self.primary_after(k + 1)
        if self.word(k) in OPEN:
            k = self.partner[k]
        while True:
            if self.word(k + 1) in ("(", "["):
                k = self.partner[k + 1]
            elif self.word(k + 1) in (".", "::", "->"):
                k += 2
            else:
                return k

    def faults(self) -> list[Fault]:
        self.cotangents()
        self.operators()
        self.functions()
        self.numbers()
        self.hidden_derivatives()
        self.conditions()
        return self.found

    def cotangents(self):
        """Each cotangent with the wrong sign, and none at all."""
        for k in range(len(self.tokens)):
            if self.word(k) == "return" and self.word(k + 1) == "{":
                parts = self.split(k + 1)
            elif self.word(k) == "push_back":
                parts = self.split(k + 1)
            elif self.word(k) == "back" and self.word(k + 1) == "[":
                last = k
                while self.word(last + 1) != ";":
                    last += 1
                parts = [(self.partner[k + 1] + 2, last)]
            else:
                continue
            for first, last in parts:
                first, last = self.without_condition(first, last)
                if self.span(first, last) == "Var{}":
                    continue
                self.add("wrong sign", first, last, f"-({self.span(first, last)})")
                self.add("no cotangent", first, last, "Var{}")

    def without_condition(self, first: int, last: int) -> tuple[int, int]:
        """The value in `p.needed[k] ? value : Var{}`."""
        if self.word(first) == "p" and self.word(first + 2) == "needed":
            value = next(k for k in range(first, last) if self.word(k) == "?") + 1
            return value, last - 4  # : Var { }
        return first, last

    def operators(self):
        for k, (word, _, _) in enumerate(self.tokens):
            operand_before = re.fullmatch(r"[\w.]+|[)\]}]", self.word(k - 1)) and k > 0
            if word not in ("+", "-", "*", "/") or self.word(k - 1) == "return":
                continue
            if not operand_before:
                if word == "-" and not re.fullmatch(r"\d.*", self.word(k + 1)):
                    self.add("wrong sign", k, k, "+" if word == "-" else "-")
                continue
            left, right = self.primary_before(k - 1), self.primary_after(k + 1)
            a, b = self.span(left, k - 1), self.span(k + 1, right)
            if word in "+-":
                self.add("wrong sign", k, k, "-" if word == "+" else "+")
                self.add("dropped term", left, right, a)
                self.add("dropped term", left, right, b)
            else:
                self.add("dropped factor", left, right, a)
                self.add("dropped factor", left, right, b)
                self.add("swapped operands" if word == "/" else "wrong operator", left, right,
                         f"{b} / {a}" if word == "/" else f"{a} / {b}")

    def functions(self):
        for name, first, last, arguments in self.calls:
            texts = [self.span(*a) for a in arguments]
            if not texts:
                continue
            called = self.span(first + 1, last)
            if name in ("add", "sub"):
                self.add("wrong sign", first, last, ("sub" if name == "add" else "add") + called)
            if name in ("add", "sub", "mul", "div", "product_like", "sum_product_to"):
                for kept in texts[:2]:
                    kind = "dropped term" if name in ("add", "sub") else "dropped factor"
                    self.add(kind, first, last, f"({kept})")
            elif name != "stop_gradient":
                self.add("dropped transposition" if name == "transpose" else "dropped function",
                         first, last, f"({texts[0]})")
            if name == "affine":
                scaled = ", ".join([texts[0], f"-({texts[1]})"] + texts[2:])
                self.add("wrong sign", first, last, f"affine({scaled})")
            if name in ("sum_axes", "mean_axes"):
                other = "mean_axes" if name == "sum_axes" else "sum_axes"
                self.add("wrong function", first, last, other + called)
            if name in ("sin", "cos"):
                self.add("wrong function", first, last, ("cos" if name == "sin" else "sin") + called)
            if (len(texts) > 1 and name not in COMMUTATIVE and 1 not in SHAPE_ONLY.get(name, ())
                    and not NO_VALUE.fullmatch(texts[1])):
                swapped = ", ".join([texts[1], texts[0]] + texts[2:])
                self.add("swapped operands", first, last, f"{name}({swapped})")
            if name == "matmul" and len(texts) > 2 and texts[2] == "{}":
                self.add("wrong transposition", *arguments[2], "{.transpose_b = true}")

    def numbers(self):
        bracket = []
        for k, (word, _, _) in enumerate(self.tokens):
            if word in OPEN:
                bracket.append(k)
            elif word in CLOSE:
                bracket.pop()
            if not re.fullmatch(r"\d.*", word):
                continue
            inside = bracket[-1] if bracket else -1
            if self.word(inside) == "[":
                if self.word(inside - 1) == "in":
                    self.wrong_operand(k)
                continue
            if self.word(inside - 1) == "back":
                continue
            if self.word(k - 1) in ("==", "!="):  # wrong conditions
                continue
            more = f"{float(word) + 1}" if "." in word else f"{int(word) + 1}"
            self.add("wrong number", k, k, more)

    def wrong_operand(self, k: int):
        there = {self.word(i + 2) for i in range(len(self.tokens))
                 if self.word(i) == "in" and self.word(i + 1) == "["}
        for other in sorted(there - {self.word(k)}):
            if other.isdigit():
                self.add("wrong operand", k, k, other)

    def hidden_derivatives(self):
        """A value that the rule takes for a constant: the second order is wrong, the first is not."""
        header = self.text[self.text.rfind("\n", 0, self.begin) + 1:self.begin]
        values = set(re.findall(r"\bVar (\w+)", header))
        for declared in re.findall(r"\bVar ([^;]*);", self.text[self.begin:self.end]):
            values |= set(re.findall(r"(\w+) =(?!=)", declared))
        for k in range(len(self.tokens)):
            last = k
            if self.word(k) == "p" and self.word(k + 2) in ("ct", "out"):
                last = k + 2
            elif self.word(k) == "p" and self.word(k + 2) == "in" and self.word(k + 3) == "[":
                last = self.partner[k + 3]
            elif self.word(k) not in values or self.word(k - 1) in (".", "Var", "stop_gradient"):
                continue
            if self.word(last + 1) in (".", "=") or k in self.shape_only:
                continue
            if self.word(k - 2) == "stop_gradient":
                continue
            self.add("hidden derivative", k, last, f"stop_gradient({self.span(k, last)})")

    def conditions(self):
        """Each condition the other way round, but for the one that asks what is needed."""
        inverted = -1
        for k, (word, _, _) in enumerate(self.tokens):
            if word in ("==", "!=") and k > inverted:
                self.add("wrong condition", k, k, "!=" if word == "==" else "==")
            if word == "=" and self.word(k - 2) == "." and "transpose" in self.word(k - 1):
                last = k + 1
                while self.word(last + 1) not in (",", "}"):
                    last += 1
                self.add("wrong transposition", k + 1, last, f"!({self.span(k + 1, last)})")
                inverted = last
            if word == "?" and "transpose" in self.word(k - 1):
                first = self.primary_before(k - 1)
                self.add("wrong transposition", first, k - 1, f"!{self.span(first, k - 1)}")


def find_faults(file: str, text: str) -> list[Fault]:
    """`file` is the name without folder and suffix."""
    found = []
    for name, begin, end in rules(text):
        found += Rule(file, name, text, begin, end).faults()
    return found


SWITCH = """#include <cstdlib>
static int planted_fault() {
  static const char* const number = std::getenv("MT_PLANTED_FAULT");
  return number ? std::atoi(number) : 0;
}
"""


def planted(text: str, numbered: dict[int, Fault]) -> str:
    """The file with all these faults in it; MT_PLANTED_FAULT=<number> chooses one when it runs.

    What the compiler says of a fault is about a file called fault-<number>."""
    bodies: dict[tuple[int, int], list[int]] = {}
    for number, fault in numbered.items():
        bodies.setdefault(fault.body, []).append(number)
    pieces, end = [SWITCH], 0
    for begin_of_body, end_of_body in sorted(bodies):
        pieces += [text[end:begin_of_body], "\n  switch (planted_fault()) {"]
        for number in bodies[begin_of_body, end_of_body]:
            body = numbered[number].faulty_body(text)
            pieces.append(f'\n    case {number}: {{\n#line 1 "fault-{number}"\n{body}\n    }}')
        pieces.append('\n  }\n#line 1 "sound"\n')
        end = begin_of_body
    return "".join(pieces) + text[end:]
