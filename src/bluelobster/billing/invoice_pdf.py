"""An invoice on paper. The same invoice is the same bytes, whenever it is printed."""

from datetime import datetime

from fpdf import FPDF
from fpdf.enums import TableBordersLayout, XPos, YPos
from fpdf.fonts import FontFace

from bluelobster.billing.dollars import amount
from bluelobster.billing.invoices import Invoice, Line

FONT = "Helvetica"
GREY = (110, 110, 110)
COLUMNS = ("Instance", "What", "Hours", "Price", "USD")
WIDTHS = (48, 62, 22, 34, 24)
ALIGN = ("LEFT", "LEFT", "RIGHT", "RIGHT", "RIGHT")


class Page(FPDF):
    """A4 with the number of the invoice and of the page at the foot."""

    number = ""

    def footer(self) -> None:
        self.set_y(-15)
        self.set_font(FONT, size=8)
        self.set_text_color(*GREY)
        self.cell(0, 5, f"Invoice {self.number}, page {self.page_no()} of {{nb}}", align="C")


def as_pdf(invoice: Invoice) -> bytes:
    """A4 pages: the balances, what came in, and every line."""
    page = Page()
    page.number = invoice.number
    page.set_title(f"Invoice {invoice.number}")
    page.set_creation_date(datetime.fromisoformat(invoice.issued_at))
    page.add_page()
    _head(page, invoice)
    _balances(page, invoice)
    _lines(page, invoice.lines)
    return bytes(page.output())


def _head(page: Page, invoice: Invoice) -> None:
    page.set_font(FONT, "B", 18)
    _write(page, f"Invoice {invoice.number}", 12)
    page.set_font(FONT, size=10)
    page.set_text_color(*GREY)
    _write(page, f"{invoice.account}  |  {invoice.month}  |  issued {invoice.issued_at[:10]}  |  US dollars", 6)
    page.set_text_color(0)
    page.ln(4)


def _balances(page: Page, invoice: Invoice) -> None:
    rows = [("Balance before", invoice.opening_balance_cents)]
    rows += [(f"{each.at[:10]}  {each.kind}: {each.reason}", each.amount_cents) for each in invoice.entries]
    rows += [("Use", -invoice.charged_cents), ("Balance after", invoice.closing_balance_cents)]
    page.set_font(FONT, size=10)
    with page.table(col_widths=(150, 40), text_align=("LEFT", "RIGHT"), first_row_as_headings=False,
                    borders_layout=TableBordersLayout.HORIZONTAL_LINES) as table:  # fmt: skip
        for words, cents in rows:
            row = table.row()
            row.cell(printable(words))
            row.cell(amount(cents))
    page.ln(8)


def _lines(page: Page, lines: list[Line]) -> None:
    if not lines:
        return
    page.set_font(FONT, size=8)
    heading = FontFace(emphasis="BOLD")
    with page.table(col_widths=WIDTHS, text_align=ALIGN, headings_style=heading,
                    borders_layout=TableBordersLayout.HORIZONTAL_LINES) as table:  # fmt: skip
        for cells in (COLUMNS, *(cells_of(each) for each in lines)):
            row = table.row()
            for cell in cells:
                row.cell(printable(cell))


def cells_of(line: Line) -> tuple[str, ...]:
    gigabytes = f", {line.size_bytes / 2**30:.2f} GB" if line.size_bytes is not None else ""
    return (
        line.instance_name,
        f"{line.kind} {line.detail}{gigabytes}",
        f"{line.hours:.1f}",
        f"{amount(line.price_cents)} / {line.unit}",
        amount(line.amount_cents),
    )


def _write(page: Page, text: str, height: float) -> None:
    page.cell(0, height, printable(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def printable(text: str) -> str:
    """What the fonts that every reader has can show."""
    return text.encode("latin-1", "replace").decode("latin-1")
