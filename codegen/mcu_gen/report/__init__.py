"""What people read: tool checks, analyses, comparisons, and the self-contained HTML page."""
