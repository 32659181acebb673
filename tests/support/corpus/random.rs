//! Randomness that a seed repeats. Integers are the same on every machine; the distributions use the system's logarithm and exponential.

/// xoshiro256** by Blackman and Vigna (<https://prng.di.unimi.it/xoshiro256starstar.c>), its state filled by splitmix64
/// (<https://prng.di.unimi.it/splitmix64.c>). Not for secrets.
#[derive(Debug, Clone)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        let mut from = seed;
        let mut next = || {
            from = from.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = from;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        Self {
            state: [next(), next(), next(), next()],
        }
    }

    /// The stream of the part `index` of what `seed` makes; parts do not depend on each other.
    pub fn part(seed: u64, index: u64) -> Self {
        Self::new(seed ^ index.wrapping_add(1).wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        let [s0, s1, s2, s3] = &mut self.state;
        let result = s1.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = *s1 << 17;
        *s2 ^= *s0;
        *s3 ^= *s1;
        *s1 ^= *s2;
        *s0 ^= *s3;
        *s2 ^= t;
        *s3 = s3.rotate_left(45);
        result
    }

    /// A number below `bound`, which is not 0. The bias is below 2^-32 for the bounds that are used here.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// A number from 0 up to, but not including, 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something of the probability `share` happens.
    pub fn happens(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// One of `choices`, which are not empty.
    pub fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    /// An index from 0 to `count - 1`, small ones much more often: about as words, and projects, are used.
    pub fn often_small(&mut self, count: usize) -> usize {
        let skewed = self.unit() * self.unit();
        ((skewed * count as f64) as usize).min(count - 1)
    }

    /// A sample of a normal distribution (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// A sample of a log-normal distribution, whose logarithm has the mean `mu` and the deviation `sigma`.
    pub fn lognormal(&mut self, mu: f64, sigma: f64) -> f64 {
        (mu + sigma * self.normal()).exp()
    }

    /// A sample of a Pareto distribution from `least` on.
    pub fn pareto(&mut self, least: f64, alpha: f64) -> f64 {
        least / (1.0 - self.unit()).powf(1.0 / alpha)
    }

    /// The text of a random UUID, version 4.
    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | (low >> 48) & 0x3fff,
            low & 0xffff_ffff_ffff
        )
    }

    /// Adds `count` characters of base64 that no compressor can shorten beyond its alphabet.
    pub fn base64(&mut self, out: &mut String, count: usize) {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut left = count;
        while left > 0 {
            let mut bits = self.next();
            for _ in 0..left.min(10) {
                out.push(char::from(ALPHABET[(bits & 63) as usize]));
                bits >>= 6;
            }
            left = left.saturating_sub(10);
        }
    }
}
