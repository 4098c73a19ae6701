# Rivals in R. Usage: Rscript rivals.R TASK FOLDER; reads x.bin, y.bin and unit.bin there, writes answer.txt.
# Fits a small part first, which is not timed.
given <- commandArgs(trailingOnly = TRUE)
task <- given[1]
folder <- given[2]
numbers <- function(file, what, size) {
  path <- file.path(folder, file)
  readBin(path, what, file.size(path) / size, size = size, endian = "little")
}
unit <- numbers("unit.bin", "integer", 4)
y <- numbers("y.bin", "double", 8)
x <- matrix(numbers("x.bin", "double", 8), nrow = length(unit))
p <- ncol(x)
data <- data.frame(x, unit = factor(unit))
names(data)[seq_len(p)] <- paste0("x", seq_len(p) - 1)
# Of several outputs a matrix in one column.
data$y <- if (length(y) > length(unit)) matrix(y, nrow = length(unit)) else y
rm(x, y)
right <- paste(names(data)[seq_len(p)], collapse = " + ")

mixed <- function(fit) {
  found <- lme4::fixef(fit)
  spread <- as.data.frame(lme4::VarCorr(fit))$sdcor
  answer <- list(level = found[[1]], slopes = unname(found[-1]), unit_sd = spread[1])
  if (length(spread) > 1) answer$residual_sd <- spread[2]
  answer
}
tasks <- list(
  dea = function(data) {
    inputs <- as.matrix(data[seq_len(p)])
    found <- Benchmarking::dea(inputs, as.matrix(data$y), RTS = "vrs", ORIENTATION = "in", FAST = TRUE)
    list(efficiency = unname(found))
  },
  fixest = function(data) {
    # fixest takes all cores unless it is told otherwise.
    threads <- Sys.getenv("OMP_NUM_THREADS", "0")
    fixest::setFixest_nthreads(as.integer(threads))
    list(slopes = unname(coef(fixest::feglm(as.formula(paste("y ~", right, "| unit")), data, family = binomial()))))
  },
  glmer = function(data) {
    form <- as.formula(paste("y ~", right, "+ (1 | unit)"))
    mixed(lme4::glmer(form, data, family = binomial(), nAGQ = 7))
  },
  lmer = function(data) {
    mixed(lme4::lmer(as.formula(paste("y ~", right, "+ (1 | unit)")), data, REML = FALSE))
  }
)
solve_it <- tasks[[task]]
few <- if (task == "dea") 100 else 5000
invisible(suppressWarnings(solve_it(data[seq_len(min(few, nrow(data))), ])))
before <- sum(gc(reset = TRUE)[, 2])
time <- system.time(answer <- solve_it(data))
after <- sum(gc()[, 6])
answer <- c(answer, list(cpu = sum(time[c(1, 2, 4, 5)], na.rm = TRUE), wall = time[[3]], extra_mb = after - before))
lines <- unlist(Map(function(name, values) paste(name, format(values, digits = 17)), names(answer), answer))
writeLines(lines, file.path(folder, "answer.txt"))
